//! Resumed runs that are stopped, or that stop themselves.

use super::*;

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
