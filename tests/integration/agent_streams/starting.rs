//! When calls start.

use super::*;

#[tokio::test(start_paused = true)]
async fn nothing_starts_before_the_message_is_over_unless_asked_for() {
    let (dispatcher, run_log) = clinic();
    let model = Scripted::new([calls(&[look("a"), look("b")], 100), says("Done.")]);
    let stream_end = Agent::new(model, "scripted").with_tools(dispatcher);
    let mut stream = stream_end.stream("Go.");
    while stream.next().await.is_some() {}
    assert_eq!(
        noted(&run_log),
        [("a".to_owned(), 200), ("b".to_owned(), 200)]
    );
}

#[tokio::test(start_paused = true)]
async fn read_only_calls_start_while_the_model_writes_the_next() {
    let (dispatcher, run_log) = clinic();
    let began = Instant::now();
    let model = Scripted::new([
        calls(&[look("a"), look("b"), look("c")], 100),
        says("Done."),
    ]);
    let agent = Agent::new(model.clone(), "scripted")
        .with_tools(dispatcher)
        .with_start_policy(StartPolicy::CallEnd)
        .conversation();
    agent.run("Go.").await.unwrap();
    assert_eq!(
        noted(&run_log),
        [
            ("a".to_owned(), 100),
            ("b".to_owned(), 200),
            ("c".to_owned(), 300)
        ]
    );
    assert_eq!(began.elapsed(), Duration::from_millis(600));
    let messages = model.conversation();
    let contents: Vec<_> = (2..5)
        .map(|message| messages[message]["content"].as_str().unwrap())
        .collect();
    assert_eq!(contents, ["found a", "found b", "found c"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_read_only_and_later_ones_wait_for_the_end() {
    let (dispatcher, run_log) = clinic();
    let writing = ("write_down", json!({"what": "b"}));
    let model = Scripted::new([calls(&[look("a"), writing, look("c")], 100), says("Done.")]);
    Agent::new(model, "scripted")
        .with_tools(dispatcher)
        .with_start_policy(StartPolicy::CallEnd)
        .run("Go.")
        .await
        .unwrap();
    assert_eq!(
        noted(&run_log),
        [
            ("a".to_owned(), 100),
            ("b".to_owned(), 300),
            ("c".to_owned(), 300)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_extended_after_it_ran_is_reported_as_its_result() {
    let (dispatcher, _) = clinic();
    let (first, second) = (
        call(0, "look_up", &json!({"what": "a"})),
        call(0, "look_up", &json!(r#"{"what":"a"}{"what":"b"}"#)),
    );
    let written_on = vec![
        Act::Write(ModelEvent::ToolCallStarted {
            position: 0,
            name: "look_up".to_owned(),
        }),
        Act::Write(ModelEvent::ToolCallComplete {
            position: 0,
            call: first,
        }),
        Act::Think(10),
        Act::Write(ModelEvent::ToolCallReopened { position: 0 }),
        ends(
            json!({"content": null, "tool_calls": [second]}),
            "tool_calls",
        ),
    ];
    let model = Scripted::new([written_on, says("Done.")]);
    Agent::new(model.clone(), "scripted")
        .with_tools(dispatcher)
        .with_start_policy(StartPolicy::CallEnd)
        .run("Go.")
        .await
        .unwrap();
    let content = model.conversation()[2]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        content.contains("before all of its arguments had been written"),
        "{content}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_of_an_early_call_ends_the_run_after_the_message() {
    let (dispatcher, run_log) = clinic();
    let model = Scripted::new([calls(
        &[("give_up", json!({})), ("write_down", json!({"what": "a"}))],
        10,
    )]);
    let agent = Agent::new(model, "scripted")
        .with_tools(dispatcher)
        .with_start_policy(StartPolicy::CallEnd)
        .conversation();
    let error = agent.run("Go.").await.unwrap_err();
    assert!(
        matches!(&error, AgentError::Fatal { tool, .. } if tool == "give_up"),
        "{error:?}"
    );
    assert_eq!(noted(&run_log), [], "what had not started does not");
    assert_eq!(agent.messages().len(), 4);
}

/// A service may write the names of two tools into one call; the one that is run decides.
#[tokio::test(start_paused = true)]
async fn a_call_naming_two_tools_starts_early_only_if_the_run_one_may() {
    let two_names = |function: &str, custom: &str| -> ToolCall {
        from_value(json!({
            "id": "call_0", "type": "custom",
            "function": {"name": function, "arguments": "{}"},
            "custom": {"name": custom, "input": "a"},
        }))
        .unwrap()
    };
    for (call, begins) in [
        (two_names("look_up", "write_down"), 100),
        (two_names("write_down", "look_up"), 0),
    ] {
        let (dispatcher, run_log) = clinic();
        let written = vec![
            Act::Write(ModelEvent::ToolCallComplete {
                position: 0,
                call: call.clone(),
            }),
            Act::Think(100),
            ends(json!({"content": null, "tool_calls": [call]}), "tool_calls"),
        ];
        Agent::new(Scripted::new([written, says("Done.")]), "scripted")
            .with_tools(dispatcher)
            .with_start_policy(StartPolicy::CallEnd)
            .run("Go.")
            .await
            .unwrap();
        assert_eq!(noted(&run_log), [("a".to_owned(), begins)]);
    }
}
