//! Suspended runs, which wait for approval: stored, decided on, resumed by another process.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use serde_json::{Value, json};
use tool_core::{
    CallContext, CancellationToken, Decision, Dispatcher, ToolError, ToolOutput, ToolResult, tool,
    tools,
};
use tool_openai::chat::{self, Message};
use tool_openai::testing::{MockModel, ScriptedReply, ScriptedServer};
use tool_openai::{Agent, AgentError, AgentEvent, Conversation, Outcome, Reply, Suspended};

/// What was sent, and under which key.
type Ledger = Arc<Mutex<Vec<(u64, String)>>>;

/// Send money.
#[tool(destructive)]
async fn transfer(#[state] ledger: &Ledger, #[context] cx: &CallContext, cents: u64) -> String {
    let key = cx.idempotency_key();
    ledger.lock().unwrap().push((cents, key));
    format!("sent {cents}")
}

/// Get the balance.
#[tool(read_only)]
async fn balance() -> u64 {
    1_000
}

struct Bank {
    agent: Agent,
    ledger: Ledger,
    server: ScriptedServer,
}

impl Bank {
    /// Its model asks for a balance and two transfers in one message, and then says that it is done.
    async fn open() -> Self {
        let transfer = |cents: u64| ("transfer", json!({ "cents": cents }));
        let calls = [("balance", json!({})), transfer(500), transfer(700)];
        let server = ScriptedServer::start([
            ScriptedReply::calls(calls).with_text("Let me see."),
            ScriptedReply::text("Done."),
            ScriptedReply::text("You are welcome."),
        ])
        .await
        .unwrap();
        let ledger = Ledger::default();
        let holding = Dispatcher::new(tools![transfer, balance].with_state(Arc::clone(&ledger)))
            .with_policy(|call| match call.definition().behavior().is_read_only() {
                true => Decision::Allow,
                false => Decision::Hold,
            });
        let agent = Agent::new(server.client().unwrap(), "scripted").with_tools(holding);
        Self {
            agent,
            ledger,
            server,
        }
    }

    async fn suspended(&self) -> Suspended {
        suspended(self.agent.run("Pay them.").await.unwrap())
    }

    fn sent(&self) -> Vec<u64> {
        let ledger = self.ledger.lock().unwrap();
        ledger.iter().map(|(cents, _)| *cents).collect()
    }

    /// The results that the model received last.
    fn results(&self) -> Vec<String> {
        let requests = self.server.requests();
        let messages = requests.last().unwrap()["messages"].as_array().unwrap();
        let results = messages.iter().filter(|message| message["role"] == "tool");
        let text = |message: &Value| message["content"].as_str().unwrap().to_owned();
        results.map(text).collect()
    }
}

fn suspended(reply: Reply) -> Suspended {
    match reply.outcome {
        Outcome::Suspended(suspended) => *suspended,
        other => panic!("{other:?}"),
    }
}

/// As another process reads it.
fn stored(suspended: &Suspended) -> Suspended {
    serde_json::from_str(&serde_json::to_string(suspended).unwrap()).unwrap()
}

#[tokio::test]
async fn a_run_is_suspended_and_resumed_by_another_process() {
    let bank = Bank::open().await;
    let conversation = bank.agent.conversation();
    let reply = conversation.run("Pay them.").await.unwrap();
    assert_eq!((reply.text.as_str(), reply.turns), ("Let me see.", 1));
    assert_eq!(
        reply.to_string(),
        "Let me see.\n[waits for a decision on: transfer, transfer]"
    );
    let waiting = suspended(reply);
    let held: Vec<_> = waiting.held().map(|held| held.position()).collect();
    assert_eq!(held, [1, 2]);
    assert_eq!(waiting.results()[0].content(), "1000", "the rest has run");
    assert_eq!(
        conversation.messages().len(),
        1,
        "a history without open calls"
    );
    assert_eq!(bank.sent(), [0; 0]);

    let later = bank.agent.conversation();
    let decisions = vec![(1, Decision::Allow), (2, Decision::Deny("too much".into()))];
    let reply = later
        .resume_with(stored(&waiting), decisions)
        .await
        .unwrap();
    assert!(matches!(reply.outcome, Outcome::Finished));
    assert_eq!((reply.text.as_str(), reply.turns), ("Done.", 2));
    assert_eq!(bank.sent(), [500]);
    let results = bank.results();
    assert_eq!(results[..2], ["1000", "sent 500"]);
    assert!(results[2].contains("too much"), "{results:?}");
    assert_eq!(later.run("Thanks.").await.unwrap().text, "You are welcome.");
    assert_eq!(later.messages().len(), 8);
}

#[tokio::test]
async fn a_call_without_a_decision_stays_held() {
    let bank = Bank::open().await;
    let first = bank.suspended().await;
    let reply = bank.agent.resume(first, vec![(2, Decision::Allow)]).await;
    let second = suspended(reply.unwrap());
    assert_eq!(bank.sent(), [700]);
    let held: Vec<_> = second.held().map(|held| held.position()).collect();
    assert_eq!(held, [1]);
    let decisions = vec![(1, Decision::Edit(r#"{"cents": 5}"#.into()))];
    let reply = bank.agent.resume(stored(&second), decisions).await.unwrap();
    assert_eq!(reply.text, "Done.");
    assert_eq!(bank.sent(), [700, 5]);
}

#[tokio::test]
async fn held_calls_can_be_answered_from_elsewhere() {
    let bank = Bank::open().await;
    let waiting = bank.suspended().await;
    let answer = |at: usize, text: &str| {
        let call = waiting.results()[at].call().clone();
        ToolResult::new(call, 0, Ok(ToolOutput::from_text(text))).with_position(at)
    };
    let mut changed = serde_json::to_value(&waiting).unwrap();
    changed["results"][1]["arguments"] = json!(r#"{"cents": 1}"#);
    let changed: Suspended = serde_json::from_value(changed).unwrap();
    let decided = bank
        .agent
        .resume(changed.with_answers(Vec::new()), vec![(1, Decision::Allow)]);
    assert!(matches!(decided.await, Err(AgentError::NotResumed { .. })));
    let (first, second) = (answer(1, "sent by hand"), answer(2, "sent by post"));
    let of_another = second.clone().with_position(1);
    let answered = answer(0, "2000");
    let one = stored(&waiting).with_answers(vec![first.clone(), of_another, answered]);
    let held: Vec<_> = one.held().map(|held| held.position()).collect();
    assert_eq!(held, [2]);
    let still = suspended(bank.agent.resume(stored(&one), Vec::new()).await.unwrap());
    let both = still.with_answers(vec![second]);
    let reply = bank.agent.resume(stored(&both), Vec::new()).await.unwrap();
    assert_eq!((reply.text.as_str(), bank.sent()), ("Done.", Vec::new()));
    assert_eq!(bank.results(), ["1000", "sent by hand", "sent by post"]);
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_an_answer_to_the_model() {
    let bank = Bank::open().await;
    let waiting = bank.suspended().await;
    let edited = Decision::Edit(r#"{"cents": "all"}"#.into());
    let decisions = vec![(1, edited), (2, Decision::Allow)];
    bank.agent.resume(waiting, decisions).await.unwrap();
    assert_eq!(bank.sent(), [700]);
    assert!(bank.results()[1].contains("cents"), "{:?}", bank.results());
}

#[tokio::test]
async fn decisions_that_do_not_match_are_returned_and_nothing_runs() {
    let bank = Bank::open().await;
    let mut waiting = bank.suspended().await;
    for (decisions, expected) in [
        (vec![(9, Decision::Allow)], "there is no call at position 9"),
        (vec![(0, Decision::Allow)], "call 0 does not wait"),
        (
            vec![(1, Decision::Allow), (1, Decision::Hold)],
            "two decisions on call 1",
        ),
    ] {
        let error = bank.agent.resume(waiting, decisions).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        waiting = match error {
            AgentError::NotResumed { suspended, .. } => *suspended,
            other => panic!("{other:?}"),
        };
    }
    let busy = bank.agent.conversation();
    let mut stream = busy.stream("Well?");
    stream.next().await;
    let error = busy.resume_with(waiting, vec![]).await.unwrap_err();
    assert!(matches!(&error, AgentError::NotResumed { reason, .. } if reason.contains("not over")));
    assert_eq!(bank.sent(), [0; 0]);
}

#[tokio::test]
async fn messages_sent_while_a_call_waits_are_not_lost() {
    let bank = Bank::open().await;
    let conversation = bank.agent.conversation();
    let waiting = suspended(conversation.run("Pay them.").await.unwrap());
    let decisions = || vec![(1, Decision::Allow), (2, Decision::Allow)];

    let later = bank.agent.conversation_from(conversation.history());
    later.run("Are they paid?").await.unwrap();
    let before = later.messages();
    let resumed = later.resume_with(stored(&waiting), decisions()).await;
    let error = resumed.unwrap_err();
    assert!(error.to_string().contains("messages that"), "{error}");
    assert_eq!((later.messages(), bank.sent()), (before, vec![]));

    // Less than the run knows is no loss.
    let AgentError::NotResumed { suspended, .. } = error else {
        panic!("{error:?}")
    };
    conversation.clear().unwrap();
    conversation
        .resume_with(*suspended, decisions())
        .await
        .unwrap();
    assert_eq!(bank.sent(), [500, 700]);

    // It is over: another time would run the calls again.
    let again = conversation.resume_with(waiting, decisions()).await;
    assert!(matches!(again, Err(AgentError::NotResumed { .. })));
    assert_eq!(bank.sent(), [500, 700]);
}

#[tokio::test]
async fn a_call_changed_in_the_store_is_not_run() {
    let bank = Bank::open().await;
    let waiting = serde_json::to_value(bank.suspended().await).unwrap();
    let changes: [(&str, Value); 4] = [
        ("/results/1/arguments", json!(r#"{"cents": 99999}"#)),
        ("/results/1/name", json!("balance")),
        ("/results/2/position", json!(7)),
        ("/message/content", json!("You said so.")),
    ];
    for (pointer, value) in changes {
        let mut changed = waiting.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let changed: Suspended = serde_json::from_value(changed).unwrap();
        let decisions = vec![(1, Decision::Allow)];
        let error = bank.agent.resume(changed, decisions).await.unwrap_err();
        assert!(
            error.to_string().contains("was changed"),
            "{pointer}: {error}"
        );
    }
    for (version, expected) in [(2, "later version"), (0, "there is no format 0")] {
        let mut other = waiting.clone();
        other["version"] = json!(version);
        let error = serde_json::from_value::<Suspended>(other).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let mut added = waiting;
    added["added_later"] = json!("kept");
    let read: Suspended = serde_json::from_value(added.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), added);
    assert_eq!(bank.sent(), [0; 0]);
}

#[tokio::test]
async fn a_tool_that_is_gone_is_an_answer_to_the_model() {
    let bank = Bank::open().await;
    let waiting = bank.suspended().await;
    let without = bank.agent.clone().with_tools(tools![balance]);
    let decisions = vec![(1, Decision::Allow), (2, Decision::Allow)];
    without.resume(waiting, decisions).await.unwrap();
    assert!(bank.results()[1].contains("there is no tool `transfer`"));
}

#[tokio::test]
async fn a_run_resumed_twice_has_the_same_idempotency_keys() {
    let bank = Bank::open().await;
    let waiting = bank.suspended().await;
    let decisions = || vec![(1, Decision::Allow), (2, Decision::Allow)];
    for copy in [stored(&waiting), waiting] {
        bank.agent.resume(copy, decisions()).await.unwrap();
    }
    let ledger = bank.ledger.lock().unwrap();
    assert_eq!(ledger.len(), 4);
    assert_eq!(ledger[..2], ledger[2..]);
    assert_ne!(ledger[0].1, ledger[1].1);
}

#[tokio::test]
async fn a_stream_reports_suspended_and_resumed_runs() {
    let bank = Bank::open().await;
    let conversation = bank.agent.conversation();
    let mut stream = conversation.stream("Pay them.");
    let mut last = None;
    while let Some(event) = stream.next().await {
        last = Some(event.unwrap());
    }
    let sent = serde_json::to_string(&last.unwrap()).unwrap();
    let Ok(AgentEvent::Reply(reply)) = serde_json::from_str(&sent) else {
        panic!("{sent}");
    };
    let decisions = vec![(1, Decision::Allow), (2, Decision::Allow)];
    let mut stream = conversation.resume_stream_with(suspended(reply), decisions);
    let (mut results, mut text) = (Vec::new(), String::new());
    while let Some(event) = stream.next().await {
        match event.unwrap() {
            AgentEvent::Result(result) => results.push(result.position()),
            AgentEvent::Text(more) => text += &more,
            _ => {}
        }
    }
    assert_eq!(results, [1, 2], "reported results are not reported again");
    assert_eq!(text, "Done.");
    assert_eq!(bank.sent(), [500, 700]);
}

/// What differs from run to run.
fn masked(mut value: Value) -> Value {
    const CHANGING: [&str; 6] = [
        "queued_at_us",
        "started_after_ns",
        "finished_after_ns",
        "idempotency_key",
        "run",
        "fingerprint",
    ];
    match &mut value {
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| *value = masked(value.take())),
        Value::Object(fields) => {
            for (key, value) in fields {
                *value = match CHANGING.contains(&key.as_str()) {
                    true => "…".into(),
                    false => masked(value.take()),
                };
            }
        }
        _ => {}
    }
    value
}

/// A change of these files is a change of what programs have stored, or read of others.
#[tokio::test]
async fn stored_formats_stay_as_they_are() {
    let bank = Bank::open().await;
    let conversation = bank.agent.conversation();
    let mut stream = conversation.stream("Pay them.");
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push(serde_json::to_value(event.unwrap()).unwrap());
    }
    let Some(Ok(AgentEvent::Reply(reply))) = events.last().cloned().map(serde_json::from_value)
    else {
        panic!("{events:?}");
    };
    let waiting = suspended(reply);
    let history = conversation.history();
    for (name, golden, written) in [
        (
            "history",
            include_str!("../golden/history.json"),
            serde_json::to_value(history).unwrap(),
        ),
        (
            "suspended",
            include_str!("../golden/suspended.json"),
            serde_json::to_value(waiting).unwrap(),
        ),
        (
            "agent_events",
            include_str!("../golden/agent_events.json"),
            events.into(),
        ),
    ] {
        let golden: Value = serde_json::from_str(golden).unwrap();
        let written = masked(written);
        assert_eq!(written, golden, "{name}: {written:#}");
    }
}

/// What a policy says of a drawn call at first, and what is decided on it later, round by round; the
/// last round decides on what is left.
#[derive(Clone, Debug)]
struct Drawn {
    held: bool,
    exclusive: bool,
    /// In which round it is decided on, and how.
    round: usize,
    allow: bool,
}

/// Note a number.
#[tool]
async fn note(#[state] ran: &Arc<Mutex<Vec<u64>>>, number: u64, held: bool) -> String {
    let _ = held;
    ran.lock().unwrap().push(number);
    format!("noted {number}")
}

/// Note a number alone.
#[tool(exclusive)]
async fn note_alone(#[state] ran: &Arc<Mutex<Vec<u64>>>, number: u64, held: bool) -> String {
    let _ = held;
    ran.lock().unwrap().push(number);
    format!("noted {number}")
}

async fn play(drawn: &[Drawn], rounds: usize) -> Result<(), TestCaseError> {
    let calls = drawn.iter().enumerate().map(|(number, call)| {
        let name = if call.exclusive { "note_alone" } else { "note" };
        (name, json!({"number": number, "held": call.held}))
    });
    let model = MockModel::new([ScriptedReply::calls(calls), ScriptedReply::text("Done.")]);
    let ran: Arc<Mutex<Vec<u64>>> = Arc::default();
    let dispatcher = Dispatcher::new(tools![note, note_alone].with_state(Arc::clone(&ran)))
        .with_policy(|call| match call.call().arguments.contains("true") {
            true => Decision::Hold,
            false => Decision::Allow,
        });
    let agent = Agent::new(model.clone(), "mock").with_tools(dispatcher);
    let conversation = agent.conversation();
    let mut reply = conversation.run("Go.").await.unwrap();
    for round in 0..=rounds {
        let Outcome::Suspended(waiting) = reply.outcome else {
            break;
        };
        prop_assert_eq!(chat::repair(&mut conversation.messages()), []);
        let due = |held: &&ToolResult| round == rounds || drawn[held.position()].round == round;
        let decide = |held: &ToolResult| {
            let decision = match drawn[held.position()].allow {
                true => Decision::Allow,
                false => Decision::Deny("no".into()),
            };
            (held.position(), decision)
        };
        let decisions = waiting.held().filter(due).map(decide).collect();
        let resumed = conversation.resume_with(stored(&waiting), decisions);
        reply = resumed.await.unwrap();
    }
    // What was ordered behind a held call may be held for a decision of its own only then.
    while let Outcome::Suspended(waiting) = reply.outcome {
        let held = waiting.held().map(ToolResult::position).collect::<Vec<_>>();
        prop_assert!(!held.is_empty());
        let decide = |at: usize| match drawn[at].allow {
            true => (at, Decision::Allow),
            false => (at, Decision::Deny("no".into())),
        };
        let decisions = held.into_iter().map(decide).collect();
        reply = conversation.resume_with(*waiting, decisions).await.unwrap();
    }
    prop_assert_eq!(reply.text, "Done.");
    let mut messages = conversation.messages();
    prop_assert_eq!(chat::repair(&mut messages), []);
    let results: Vec<String> = messages
        .iter()
        .filter_map(|message| match message {
            Message::Tool(result) => Some(result.text()),
            _ => None,
        })
        .collect();
    prop_assert_eq!(results.len(), drawn.len());
    let mut expected = Vec::new();
    for (number, (call, result)) in drawn.iter().zip(&results).enumerate() {
        if !call.held || call.allow {
            expected.push(number as u64);
            prop_assert_eq!(result, &format!("noted {number}"));
        } else {
            prop_assert!(result.starts_with(r#"{"error":"#), "{}", result);
        }
    }
    let mut ran = ran.lock().unwrap().clone();
    ran.sort_unstable();
    prop_assert_eq!(ran, expected, "each call that may run has run once");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is held, and in whatever order it is decided on: every call is answered once, in
    /// order, those that may run have run once, and the history is valid all the time.
    #[test]
    fn every_order_of_decisions_keeps_the_guarantees(
        drawn in prop::collection::vec(
            (any::<bool>(), prop::bool::weighted(0.2), 0_usize..3, prop::bool::weighted(0.7)).prop_map(
                |(held, exclusive, round, allow)| Drawn { held, exclusive, round, allow },
            ),
            1..8,
        ),
        rounds in 0_usize..3,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(play(&drawn, rounds))?;
    }
}

/// Wait, then send.
#[tool]
async fn slow_transfer(#[state] ledger: &Ledger, cents: u64) -> Result<String, ToolError> {
    ledger.lock().unwrap().push((cents, "begun".to_owned()));
    if cents == 0 {
        return Err(ToolError::fatal("the bank is closed"));
    }
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    Ok(format!("sent {cents}"))
}

/// A model that asks for a balance and these transfers, all of which are held.
fn slow_bank(cents: &[u64]) -> (Agent, Ledger) {
    let transfers = cents
        .iter()
        .map(|cents| ("slow_transfer", json!({ "cents": cents })));
    let calls = [("balance", json!({}))].into_iter().chain(transfers);
    let model = MockModel::new([ScriptedReply::calls(calls), ScriptedReply::text("Done.")]);
    let ledger = Ledger::default();
    let dispatcher =
        Dispatcher::new(tools![slow_transfer, balance].with_state(Arc::clone(&ledger)))
            .with_policy(|call| match call.definition().behavior().is_read_only() {
                true => Decision::Allow,
                false => Decision::Hold,
            });
    (Agent::new(model, "mock").with_tools(dispatcher), ledger)
}

fn results(conversation: &Conversation) -> Vec<String> {
    let messages = conversation.messages();
    assert_eq!(chat::repair(&mut messages.clone()), []);
    let results = messages.iter().filter_map(|message| match message {
        Message::Tool(result) => Some(result.text()),
        _ => None,
    });
    results.collect()
}

#[tokio::test(start_paused = true)]
async fn a_stopped_resumed_run_keeps_its_work_in_the_history() {
    for dropped in [true, false] {
        let (agent, ledger) = slow_bank(&[5, 6]);
        let conversation = agent.conversation();
        let waiting = suspended(conversation.run("Pay.").await.unwrap());
        let token = CancellationToken::new();
        let handle = conversation.clone().with_cancellation(token.clone());
        let mut stream = handle.resume_stream_with(waiting, vec![(1, Decision::Allow)]);
        let soon = std::time::Duration::from_millis(10);
        let waited = tokio::time::timeout(soon, stream.next()).await;
        assert!(waited.is_err(), "the transfer runs");
        match dropped {
            true => drop(stream),
            false => {
                token.cancel();
                let mut last = None;
                while let Some(event) = stream.next().await {
                    last = Some(event);
                }
                assert!(matches!(last, Some(Err(AgentError::Cancelled))), "{last:?}");
            }
        }
        assert_eq!(ledger.lock().unwrap().len(), 1);
        let results = results(&conversation);
        assert_eq!((results.len(), results[0].as_str()), (3, "1000"));
        assert!(results[1].contains("cancelled"), "{results:?}");
        assert!(results[2].contains("error"), "{results:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_suspended_run_that_is_not_taken_is_in_the_history() {
    for events in 0.. {
        let (agent, _) = slow_bank(&[5]);
        let conversation = agent.conversation();
        let mut stream = conversation.stream("Pay.");
        let mut last = None;
        for _ in 0..events {
            last = stream.next().await;
        }
        drop(stream);
        if let Some(Ok(AgentEvent::Reply(reply))) = last {
            suspended(reply);
            assert_eq!(results(&conversation), [""; 0], "the caller has it");
            break;
        }
        let results = results(&conversation);
        let has_run = matches!(
            last,
            Some(Ok(AgentEvent::Result(_) | AgentEvent::Results(_)))
        );
        assert!(!has_run || results[0] == "1000", "{last:?} {results:?}");
        conversation.clear().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn resumed_calls_are_reported_as_they_happen() {
    let (agent, _) = slow_bank(&[5, 6]);
    let conversation = agent.conversation();
    let waiting = suspended(conversation.run("Pay.").await.unwrap());
    let decisions = vec![(2, Decision::Deny("no".into())), (1, Decision::Allow)];
    let mut stream = conversation.resume_stream_with(waiting, decisions);
    let began = tokio::time::Instant::now();
    let mut answered = Vec::new();
    while let Some(event) = stream.next().await {
        if let AgentEvent::Result(result) = event.unwrap() {
            answered.push((result.position(), began.elapsed().as_secs()));
        }
    }
    assert_eq!(answered, [(2, 0), (1, 5)]);
}

#[tokio::test]
async fn after_a_fatal_error_no_call_stays_held() {
    let (agent, ledger) = slow_bank(&[0, 6]);
    let conversation = agent.conversation();
    let waiting = suspended(conversation.run("Pay.").await.unwrap());
    let error = conversation
        .resume_with(waiting, vec![(1, Decision::Allow)])
        .await;
    assert!(matches!(error, Err(AgentError::Fatal { .. })), "{error:?}");
    assert_eq!(ledger.lock().unwrap().len(), 1);
    let results = results(&conversation);
    assert!(results[2].contains("not"), "{results:?}");
}

/// A model that asks for the same approved call again and again is stopped like any other.
#[tokio::test]
async fn the_loop_guard_counts_approved_calls() {
    let again = || ScriptedReply::calls([("balance", json!({}))]);
    let model = MockModel::new([again(), again(), again(), again()]);
    let holding = Dispatcher::new(tools![balance]).with_policy(|_| Decision::Hold);
    let agent = Agent::new(model, "mock")
        .with_tools(holding)
        .with_loop_guard(3);
    let mut reply = agent.run("How much?").await;
    let mut approved = 0;
    while let Ok(held) = reply {
        approved += 1;
        let held = stored(&suspended(held));
        reply = agent.resume(held, vec![(0, Decision::Allow)]).await;
    }
    assert!(matches!(reply, Err(AgentError::Loop { times: 3, .. })));
    assert_eq!(approved, 3);
}
