//! The mock model behaves like the mock server, without HTTP.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use serde_json::{Value, json, to_value};
use tool_core::{tool, tools};
use tool_openai::chat::{Message, Request};
use tool_openai::testing::{MockModel, ScriptedReply, ScriptedServer};
use tool_openai::{Agent, AgentEvent, ChatModel, Fallback, ModelError, ModelEvent, Profile};

/// Add two numbers.
#[tool(read_only)] // async, so that results come in order
async fn add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}

fn call() -> ScriptedReply {
    ScriptedReply::calls([("add", json!({"a": 2, "b": 3})), ("add", json!("{\"a\": "))])
}

fn scripts() -> Vec<Vec<ScriptedReply>> {
    let text = || ScriptedReply::text("It is five, as far as I know.");
    vec![
        vec![text()],
        vec![call(), text()],
        vec![call().with_text("Let me see."), call(), text()],
        vec![
            call().with_reasoning("Numbers."),
            text().with_reasoning("Done."),
        ],
        vec![call().with_finish_reason("length"), text()],
        vec![ScriptedReply::refusal("I would rather not.")],
        vec![ScriptedReply::error(400, "bad", "No.")],
        vec![ScriptedReply::error(422, "worse", "Not at all.")],
        vec![text().with_error_after(3, "busy", "overloaded")],
        vec![text().with_cut_after(3)],
        vec![ScriptedReply::body(r#"{"hello": 1}"#)],
        vec![ScriptedReply::sse(
            "data: {\"choices\": [{\"delta\": {\"content\": \"Hi.\"}, \"finish_reason\": \"stop\"}]}\n\ndata: [DONE]\n\n",
        )],
        vec![call()],
    ]
}

/// All events of a run, without times, and its error.
async fn run(agent: Agent, streamed: bool) -> Vec<Value> {
    let agent = agent.with_tools(tools![add]);
    let mut reported = Vec::new();
    if !streamed {
        match agent.run("2 + 3?").await {
            Ok(reply) => reported.push(json!([reply.text, reply.finish_reason, reply.usage])),
            Err(error) => reported.push(wording(error)),
        }
        return reported;
    }
    let mut stream = agent.stream("2 + 3?");
    while let Some(event) = stream.next().await {
        reported.push(match event {
            Ok(AgentEvent::Result(result)) => json!([result.position(), result.content()]),
            Ok(AgentEvent::Results(results)) => results.len().into(),
            Ok(AgentEvent::Reply(reply)) => json!([reply.text, reply.finish_reason, reply.usage]),
            Ok(event) => to_value(event).unwrap(),
            Err(error) => wording(error),
        });
    }
    reported
}

/// The error, but where a connection breaks.
fn wording(error: tool_openai::AgentError) -> Value {
    let text = error.to_string();
    match text.contains("no whole answer")
        || text.contains("broke off")
        || text.contains("ended before")
    {
        true => "broken".into(),
        false => text.into(),
    }
}

#[tokio::test]
async fn a_mock_model_answers_as_the_server_does() {
    for (number, script) in scripts().into_iter().enumerate() {
        for streamed in [false, true] {
            let server = ScriptedServer::start(script.clone()).await.unwrap();
            let client = server.client().unwrap().with_retries(0);
            let over_http = run(Agent::new(client, "m"), streamed).await;
            let model = MockModel::new(script.clone());
            let in_process = run(Agent::new(model.clone(), "m"), streamed).await;
            assert_eq!(
                in_process, over_http,
                "script {number}, streamed: {streamed}"
            );
            assert_eq!(model.requests(), server.requests(), "script {number}");
        }
    }
}

#[tokio::test]
async fn a_mock_model_refuses_bad_requests_and_keeps_its_reply() {
    let model = MockModel::new([ScriptedReply::text("Hello.")]);
    let agent = Agent::new(model.clone(), "m").with_parameter("temprature", 1);
    let error = agent.run("Hello?").await.unwrap_err();
    assert!(error.to_string().contains("temprature"), "{error}");
    assert_eq!((model.requests().len(), model.replies_left()), (1, 1));
    let agent = Agent::new(model.clone(), "m");
    assert_eq!(agent.run("Hello?").await.unwrap().text, "Hello.");
    let error = agent.run("Hello?").await.unwrap_err();
    assert!(error.to_string().contains("no reply left"), "{error}");
}

#[tokio::test]
async fn a_script_can_decide_from_the_request() {
    let model = MockModel::with_script(|request| {
        ScriptedReply::text(format!("{} tools", request.tools.len()))
    });
    let model = model.with_profile(Profile::openai());
    let agent = Agent::new(model.clone(), "m").with_tools(tools![add]);
    assert_eq!(agent.run("Well?").await.unwrap().text, "1 tools");
    assert_eq!(model.requests()[0]["tools"][0]["function"]["strict"], true);
}

/// Whole and streamed: the next model is asked only where nothing has been delivered.
#[tokio::test]
async fn a_fallback_model_answers_when_the_first_fails() {
    let down = || ScriptedReply::error(503, "unavailable", "Down.");
    let broken = || ScriptedReply::text("It is five, as").with_error_after(3, "busy", "overloaded");
    for streamed in [false, true] {
        let (first, second, third) = (
            MockModel::new([down(), ScriptedReply::text("First."), broken()]),
            MockModel::new([down()]),
            MockModel::new([ScriptedReply::text("Third."), ScriptedReply::text("Third.")]),
        );
        let model = Fallback::new(first.clone())
            .or(second.clone(), "two")
            .or(third.clone(), "three");
        let agent = Agent::new(model, "one");
        let wording = |reported: Vec<Value>| reported.last().unwrap().to_string();
        let reasons = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&reasons);
        let watched = agent.clone().with_on_event(move |event| {
            if let AgentEvent::RequestRetried(retries) = event {
                let reasons = retries.iter().map(|retry| retry.reason.clone());
                seen.lock().unwrap().extend(reasons);
            }
        });
        assert!(wording(run(watched, streamed).await).contains("Third."));
        let failed = |model: &str| format!("model `{model}`: the service answered 503: Down.");
        assert_eq!(*reasons.lock().unwrap(), [failed("one"), failed("two")]);
        assert_eq!(third.requests()[0]["model"], "three");
        assert!(wording(run(agent.clone(), streamed).await).contains("First."));
        let last = wording(run(agent, streamed).await);
        match streamed {
            true => assert!(last.contains("overloaded"), "{last}"),
            false => assert!(last.contains("Third."), "{last}"),
        }
    }
    let (first, second) = (MockModel::new([down()]), MockModel::new([]));
    let agent = Agent::new(Fallback::new(first).or(second, "two"), "one");
    let error = agent.run("Hello?").await.unwrap_err();
    assert!(
        error.to_string().contains("no reply left"),
        "the last error: {error}"
    );
}

/// A model that breaks off after it has thought in keys alone has delivered nothing: none of them
/// is in the answer of the next.
#[tokio::test]
async fn a_fallback_model_does_not_inherit_removed_keys() {
    let odd = r#"data: {"choices": [{"delta": {"odd": "first"}}]}"#;
    let error = r#"data: {"error": {"message": "overloaded", "code": "busy"}}"#;
    let first = MockModel::new([ScriptedReply::sse(format!("{odd}\n\n{error}\n\n"))]);
    let call = r#"{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{\"a\": 1, \"b\": 2}"}}"#;
    let called = format!(
        r#"data: {{"choices": [{{"delta": {{"tool_calls": [{call}]}}, "finish_reason": "tool_calls"}}]}}"#
    );
    let second = MockModel::new([
        ScriptedReply::sse(format!("{called}\n\ndata: [DONE]\n\n")),
        ScriptedReply::text("3."),
    ]);
    let model = Fallback::new(first).or(second.clone(), "two");
    let request = Request {
        model: "one".to_owned(),
        messages: vec![Message::user("1 + 2?")],
        ..Request::default()
    };
    let events: Vec<_> = model.stream(&request).collect().await;
    let is_keys =
        |event: &Result<ModelEvent, ModelError>| matches!(event, Ok(ModelEvent::MessageKeys(_)));
    assert!(!events.iter().any(is_keys), "{events:?}");
    assert!(
        matches!(events.last(), Some(Ok(ModelEvent::Finished(_)))),
        "{events:?}"
    );
}
