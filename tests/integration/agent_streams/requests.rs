//! Requests to the model, and the handling of malformed calls.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_choice_of_tool_is_for_the_first_message_only() {
    let (dispatcher, _) = clinic();
    let model = Scripted::new([calls(&[look("a")], 0), says("Done."), says("Again.")]);
    let agent = Agent::new(model.clone(), "scripted")
        .with_tools(dispatcher)
        .with_tool_choice(ToolChoice::Required)
        .with_parallel_tool_calls(true)
        .conversation();
    agent.run("Go.").await.unwrap();
    agent.run("Continue.").await.unwrap();
    let requests = model.requests.lock().unwrap();
    let choices: Vec<_> = requests
        .iter()
        .map(|request| to_value(request).unwrap()["tool_choice"].clone())
        .collect();
    assert_eq!(choices, [json!("required"), Value::Null, json!("required")]);
    assert!(
        requests
            .iter()
            .all(|request| request.parallel_tool_calls == Some(true))
    );
}

#[tokio::test(start_paused = true)]
async fn a_malformed_call_is_retried_a_limited_number_of_times() {
    let (dispatcher, _) = clinic();
    let model = Scripted::new([vec![Act::Botch], vec![Act::Botch], says("Done.")]);
    let agent = Agent::new(model.clone(), "scripted")
        .with_tools(dispatcher.clone())
        .conversation();
    assert_eq!(agent.run("Go.").await.unwrap().turns, 1);
    assert_eq!(model.requests.lock().unwrap().len(), 3);

    let agent = Agent::new(Scripted::new(vec![vec![Act::Botch]; 3]), "scripted")
        .with_tools(dispatcher)
        .conversation();
    let error = agent.run("Go.").await.unwrap_err();
    assert!(
        matches!(
            &error,
            AgentError::Model {
                turn: 1,
                source: ModelError::StreamError { .. }
            }
        ),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_malformed_call_is_not_retried_once_another_has_started() {
    let (dispatcher, _) = clinic();
    let malformed = [
        writes(0, "look_up", json!({"what": "a"}), 0),
        vec![Act::Think(1), Act::Botch],
    ]
    .concat();
    let model = Scripted::new([malformed]);
    let agent = Agent::new(model.clone(), "scripted")
        .with_tools(dispatcher)
        .with_start_policy(StartPolicy::CallEnd)
        .conversation();
    assert!(matches!(
        agent.run("Go.").await,
        Err(AgentError::Model { .. })
    ));
    assert_eq!(model.requests.lock().unwrap().len(), 1);
    assert_eq!(agent.messages().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_custom_tool_takes_free_text() {
    let (dispatcher, run_log) = clinic();
    let call = json!({"id": "call_0", "type": "custom", "custom": {"name": "write_down", "input": "a \"b\""}});
    let model = Scripted::new([
        vec![ends(
            json!({"content": null, "tool_calls": [call.clone()]}),
            "tool_calls",
        )],
        says("Done."),
    ]);
    let agent = Agent::new(model.clone(), "scripted")
        .with_tools(dispatcher.clone())
        .with_custom_tool("write_down", TextFormat::Text)
        .conversation();
    agent.run("Go.").await.unwrap();
    assert_eq!(noted(&run_log)[0].0, "a \"b\"");
    let request = to_value(&model.requests.lock().unwrap()[0]).unwrap();
    assert_eq!(
        (
            &request["tools"][0]["type"],
            &request["tools"][1]["custom"]["name"]
        ),
        (&json!("function"), &json!("write_down"))
    );
    assert_eq!(model.conversation()[1]["tool_calls"][0], call);

    let agent = Agent::new(Scripted::default(), "scripted")
        .with_tools(dispatcher)
        .with_custom_tool("write", TextFormat::Text)
        .conversation();
    let error = agent.run("Go.").await.unwrap_err();
    let AgentError::Tools(source) = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        source.to_string(),
        "tool `write` cannot take free text: there is no such tool"
    );
}

#[tokio::test]
async fn an_invalid_tool_is_left_out_and_reported() {
    let model = Scripted::new([says("Done.")]);
    let (dispatcher, _) = clinic();
    let tools = dispatcher.tools().clone();
    let odd = tools.clone().with_prefix("a.");
    let left_out = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&left_out);
    let agent = Agent::new(model.clone(), "scripted")
        .with_tools(Dispatcher::new(tools.clone().merge(odd).unwrap()))
        .with_on_event(move |event| {
            if let AgentEvent::ToolsLeftOut(tools) = event {
                seen.lock().unwrap().extend(tools.iter().cloned());
            }
        })
        .conversation();
    agent.run("Go.").await.unwrap();
    assert_eq!(model.requests.lock().unwrap()[0].tools.len(), tools.len());
    assert_eq!(left_out.lock().unwrap().len(), tools.len());
}

/// How long an agent takes with a message of so many calls, each of which has something to report
/// of.
async fn time_for(calls: usize) -> Duration {
    let wire = vec![json!({"function": {"name": "look_up", "arguments": "{}"}}); calls];
    let model = Scripted::new([
        vec![ends(
            json!({"content": null, "tool_calls": wire}),
            "tool_calls",
        )],
        says("Done."),
    ]);
    let repaired = Arc::new(Mutex::new(0));
    let count = Arc::clone(&repaired);
    let agent = Agent::new(model, "scripted")
        .with_tools(clinic().0)
        .with_on_event(move |event| {
            *count.lock().unwrap() += usize::from(
                matches!(event, AgentEvent::ToolCallReady { repairs, .. } if repairs.len() == 1),
            );
        })
        .conversation();
    let start = std::time::Instant::now();
    agent.run("Go.").await.unwrap();
    assert_eq!(*repaired.lock().unwrap(), calls, "each was given an id");
    start.elapsed()
}

#[tokio::test]
async fn time_is_linear_in_the_calls_of_a_message() {
    let (short, long) = (time_for(3_000).await, time_for(30_000).await);
    assert!(
        long < short * 25 + Duration::from_millis(100),
        "{short:?} for 3,000, {long:?} for 30,000"
    );
}

#[tokio::test(start_paused = true)]
async fn several_objects_in_one_call_are_split_if_enabled() {
    let (dispatcher, run_log) = clinic();
    let two = call(0, "look_up", &json!(r#"{"what":"a"}{"what":"b"}"#));
    let model = Scripted::new([
        vec![ends(
            json!({"content": null, "tool_calls": [two]}),
            "tool_calls",
        )],
        says("Done."),
    ]);
    Agent::new(model.clone(), "scripted")
        .with_tools(dispatcher)
        .with_split_calls(true)
        .run("Go.")
        .await
        .unwrap();
    assert_eq!(noted(&run_log).len(), 2);
    assert_eq!(
        model.conversation()[1]["tool_calls"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
