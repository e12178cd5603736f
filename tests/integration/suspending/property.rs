//! Whatever is held, and whatever is decided: what holds for every run.

use super::*;

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
