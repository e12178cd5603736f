//! Suspended runs, which wait for approval: stored, decided on, resumed by another process.

mod property;
mod stopped;

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
