//! The events of an agent, and their order.

use super::*;

fn kind(event: &AgentEvent) -> String {
    match event {
        AgentEvent::TurnStarted { turn } => format!("asking {turn}"),
        AgentEvent::Text(text) => format!("text {text}"),
        AgentEvent::ToolCallStarted { position, name } => format!("begins {position} {name}"),
        AgentEvent::ToolCallDelta { position, delta } => format!("arguments {position} {delta}"),
        AgentEvent::ToolCallReady { position, call, .. } => format!("call {position} {}", call.id),
        AgentEvent::ToolCallsReady(calls) => format!("calls {}", calls.len()),
        AgentEvent::Progress(progress) => {
            format!("progress {} {}", progress.position, progress.message)
        }
        AgentEvent::Result(result) => format!("result {}", result.position()),
        AgentEvent::Results(results) => format!("results {}", results.len()),
        AgentEvent::Usage(usage) => format!("usage {}", usage.total_tokens),
        AgentEvent::Reply(reply) => format!("reply {} {}", reply.text, reply.usage.total_tokens),
        other => format!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_reports_all_events_in_order() {
    let model = Scripted::new([calls(&[look("a")], 10), says("Done.")]);
    let (dispatcher, _) = clinic();
    let agent = Agent::new(model, "scripted")
        .with_tools(dispatcher)
        .conversation();
    let mut reported = Vec::new();
    let mut stream = agent.stream("Go.");
    while let Some(event) = stream.next().await {
        reported.push(kind(&event.unwrap()));
    }
    drop(stream);
    let expected = [
        "asking 1",
        "begins 0 look_up",
        r#"arguments 0 {"what":"a"}"#,
        "usage 15",
        "call 0 call_0",
        "calls 1",
        "progress 0 half way",
        "result 0",
        "results 1",
        "asking 2",
        "text Done.",
        "usage 15",
        "reply Done. 30",
    ];
    assert_eq!(reported, expected);
    assert_eq!(agent.usage().total_tokens, 30);
}

#[tokio::test(start_paused = true)]
async fn each_cancelled_call_is_reported_once() {
    let (dispatcher, _) = clinic();
    let broken = [
        writes(0, "look_up", json!({"what": "a"}), 0),
        vec![Act::Think(10), Act::Break],
    ]
    .concat();
    let model = Scripted::new([
        calls(&[look("a"), ("write_down", json!({"what": "b"}))], 0),
        broken,
    ]);
    let mut agent = Agent::new(model, "scripted")
        .with_tools(dispatcher)
        .with_start_policy(StartPolicy::CallEnd)
        .conversation();
    let mut token = Some(cancelled_after(100));
    for expected in [
        vec!["result 1", "result 0", "results 2"],
        vec!["result 0", "results 1"],
    ] {
        let mut reported = Vec::new();
        agent = agent.with_cancellation(token.take().unwrap_or_default());
        let mut stream = agent.stream("Go.");
        while let Some(Ok(event)) = stream.next().await {
            reported.push(kind(&event));
        }
        reported.retain(|event| event.starts_with("result"));
        assert_eq!(reported, expected);
    }
}

#[tokio::test]
async fn a_stream_that_is_never_polled_says_nothing() {
    let agent = Agent::new(Scripted::new([says("Hello.")]), "scripted").conversation();
    drop(agent.stream("Never mind."));
    assert_eq!(agent.messages(), []);
    assert_eq!(agent.run("Hello?").await.unwrap().text, "Hello.");
    assert_eq!(agent.messages().len(), 2);
}

/// Some services spread one answer over several choices; alternatives that were asked for are none.
#[tokio::test(start_paused = true)]
async fn calls_in_any_choice_run_unless_n_was_requested() {
    for (asked_for, ran) in [(None, 1), (Some(2), 0)] {
        let (dispatcher, run_log) = clinic();
        let choice = |index: u8, message: Value| {
            let choice = json!({"index": index, "message": message, "finish_reason": "tool_calls"});
            from_value(choice).unwrap()
        };
        let calls = json!([call(0, "look_up", &json!({"what": "a"}))]);
        let completion = Completion {
            choices: vec![
                choice(0, json!({"content": "I'll look."})),
                choice(1, json!({"content": null, "tool_calls": calls})),
            ],
            usage: None,
            extra: Map::new(),
        };
        let finished = vec![Act::Write(ModelEvent::Finished(completion))];
        let model = Scripted::new([finished, says("Done.")]);
        let mut agent = Agent::new(model, "scripted").with_tools(dispatcher);
        if let Some(alternatives) = asked_for {
            agent = agent.with_parameter("n", alternatives);
        }
        agent.run("Go.").await.unwrap();
        assert_eq!(noted(&run_log).len(), ran);
    }
}

/// A model may have nothing to add to what its tools have done.
#[tokio::test(start_paused = true)]
async fn only_an_empty_answer_after_results_is_a_reply() {
    let silent = |finish: &str| vec![ends(json!({"content": ""}), finish)];
    for (turns, replies) in [
        (vec![calls(&[look("a")], 0), silent("stop")], true),
        (vec![calls(&[look("a")], 0), silent("length")], false),
        (vec![silent("stop")], false),
    ] {
        let (dispatcher, _) = clinic();
        let agent = Agent::new(Scripted::new(turns), "scripted")
            .with_tools(dispatcher)
            .conversation();
        let run = agent.run("Go.").await;
        assert_eq!(run.is_ok(), replies, "{run:?}");
        match run {
            Ok(reply) => assert_eq!((reply.text.as_str(), reply.turns), ("", 2)),
            Err(error) => assert!(matches!(error, AgentError::NoAnswer { .. })),
        }
        let mut history = agent.messages().to_vec();
        assert_eq!(tool_openai::chat::repair(&mut history), []);
    }
}
