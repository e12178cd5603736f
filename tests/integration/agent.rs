//! The agent over real HTTP, with a scripted server that refuses what the service refuses.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tool_core::{Dispatcher, ErrorCode, ToolError, tool, tools};
use tool_openai::chat::Message;
use tool_openai::testing::{ScriptedReply, ScriptedServer};
use tool_openai::{Agent, AgentError, AgentEvent, ModelError};

/// Add two numbers.
#[tool(inline)]
fn add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}

/// Wait, then say so.
#[tool]
async fn wait(millis: u64) -> String {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    format!("waited {millis}")
}

/// Fail.
#[tool]
async fn fail() -> Result<(), String> {
    Err("no luck".to_owned())
}

/// Fail for good.
#[tool]
async fn fail_for_good() -> Result<(), ToolError> {
    Err(ToolError::fatal("the ledger is corrupt"))
}

async fn server(replies: impl IntoIterator<Item = ScriptedReply>) -> ScriptedServer {
    ScriptedServer::start(replies).await.unwrap()
}

fn agent(server: &ScriptedServer) -> Agent {
    Agent::new(server.client().unwrap(), "scripted").with_tools(Dispatcher::new(tools![
        add,
        wait,
        fail,
        fail_for_good
    ]))
}

/// The messages of the last request, without the instructions.
fn conversation(server: &ScriptedServer) -> Vec<Value> {
    let requests = server.requests();
    let messages = requests.last().unwrap()["messages"]
        .as_array()
        .unwrap()
        .clone();
    messages
        .into_iter()
        .filter(|message| message["role"] != "system")
        .collect()
}

fn tool_contents(server: &ScriptedServer) -> Vec<String> {
    let tool = |message: &Value| {
        (message["role"] == "tool").then(|| message["content"].as_str().unwrap().to_owned())
    };
    conversation(server).iter().filter_map(tool).collect()
}

#[tokio::test]
async fn results_go_back_in_call_order_whichever_ends_first() {
    let calls = [
        ("wait", json!({"millis": 30})),
        ("add", json!({"a": 1, "b": 2})),
        ("wait", json!({"millis": 1})),
    ];
    let server = server([ScriptedReply::calls(calls), ScriptedReply::text("Done.")]).await;
    let reply = agent(&server).run("Go.").await.unwrap();
    assert_eq!((reply.text.as_str(), reply.turns), ("Done.", 2));
    assert_eq!(tool_contents(&server), ["waited 30", "3", "waited 1"]);
    let messages = conversation(&server);
    let asked: Vec<_> = messages[1]["tool_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["id"].clone())
        .collect();
    let answered: Vec<_> = messages[2..]
        .iter()
        .map(|message| message["tool_call_id"].clone())
        .collect();
    assert_eq!(asked, answered);
}

#[tokio::test]
async fn every_kind_of_failure_is_answered_and_the_run_continues() {
    let calls = [
        ("fail", json!({})),
        ("subtract", json!({"a": 1})),
        ("add", json!("{\"a\": 1, ")),
        ("add", json!({"a": "one", "b": 2})),
        ("add", json!({"a": 1, "b": 2})),
    ];
    let server = server([
        ScriptedReply::calls(calls),
        ScriptedReply::text("Some of it failed."),
    ])
    .await;
    let reply = agent(&server).run("Go.").await.unwrap();
    assert_eq!(reply.text, "Some of it failed.");
    assert_eq!(
        tool_contents(&server),
        [
            r#"{"error":"no luck","tool":"fail"}"#,
            r#"{"error":"there is no tool `subtract`; the tools are `add`, `wait`, `fail`, `fail_for_good`","tool":"subtract"}"#,
            r#"{"error":"the arguments are not valid JSON: EOF while parsing a value at line 1 column 9","tool":"add"}"#,
            r#"{"error":"`a`: invalid type: string \"one\", expected i64","tool":"add"}"#,
            "3",
        ]
    );
    let broken = &conversation(&server)[1]["tool_calls"][2]["function"];
    assert_eq!(
        broken["arguments"], "{}",
        "many services refuse a history with arguments that are not JSON"
    );
}

#[tokio::test]
async fn an_invalid_tool_name_is_answered_and_echoed_validly() {
    let server = server([
        ScriptedReply::calls([("functions.add it", json!({}))]),
        ScriptedReply::text("Sorry."),
    ])
    .await;
    agent(&server).run("Go.").await.unwrap();
    let messages = conversation(&server);
    assert_eq!(
        messages[1]["tool_calls"][0]["function"]["name"],
        "functions_add_it"
    );
    assert!(
        messages[2]["content"]
            .as_str()
            .unwrap()
            .contains("there is no tool `functions.add it`")
    );
}

#[tokio::test]
async fn missing_and_repeated_ids_are_replaced_in_history_and_answers() {
    let call =
        |id: Value| json!({"id": id, "function": {"name": "add", "arguments": {"a": 1, "b": 1}}});
    let message = json!({"content": null, "tool_calls": [call(json!("x")), call(json!("x")), call(json!("")), call(Value::Null)]});
    let body = json!({"choices": [{"message": message, "finish_reason": "stop"}]}).to_string();
    let server = server([ScriptedReply::body(body), ScriptedReply::text("Done.")]).await;
    agent(&server).run("Go.").await.unwrap();
    let messages = conversation(&server);
    let ids: Vec<_> = messages[1]["tool_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids[0], "x");
    assert_eq!(
        ids.iter().collect::<std::collections::HashSet<_>>().len(),
        4,
        "{ids:?}"
    );
    assert_eq!(tool_contents(&server), ["2"; 4]);
}

#[tokio::test]
async fn the_turn_limit_ends_a_run_that_can_be_resumed() {
    let call = || ScriptedReply::calls([("add", json!({"a": 1, "b": 1}))]);
    let server = server([call(), call(), ScriptedReply::text("At last.")]).await;
    let agent = agent(&server).with_max_turns(2).conversation();
    assert!(matches!(
        agent.run("Go.").await,
        Err(AgentError::TurnLimit { turns: 2 })
    ));
    assert_eq!(
        agent.messages().len(),
        5,
        "both turns are in the history, answered"
    );
    assert_eq!(agent.resume().await.unwrap().text, "At last.");
}

#[tokio::test]
async fn a_fatal_error_stops_the_run_with_every_call_answered() {
    let calls = [
        ("add", json!({"a": 1, "b": 1})),
        ("fail_for_good", json!({})),
    ];
    let server = server([
        ScriptedReply::calls(calls),
        ScriptedReply::text("Going on all the same."),
    ])
    .await;
    let agent = agent(&server).conversation();
    let error = agent.run("Go.").await.unwrap_err();
    let AgentError::Fatal { tool, source } = error else {
        panic!("{error}")
    };
    assert_eq!(
        (tool.as_str(), source.code()),
        ("fail_for_good", ErrorCode::ToolError)
    );
    assert_eq!(
        agent.run("And now?").await.unwrap().text,
        "Going on all the same."
    );
    assert_eq!(
        tool_contents(&server),
        [
            "2",
            r#"{"error":"the ledger is corrupt","tool":"fail_for_good"}"#
        ]
    );
}

#[tokio::test]
async fn a_failed_request_leaves_a_usable_history() {
    let calls = ScriptedReply::calls([("add", json!({"a": 1, "b": 1}))]);
    let server = server([
        calls,
        ScriptedReply::error(400, "bad_day", "Not today."),
        ScriptedReply::text("Here I am."),
    ])
    .await;
    let agent = agent(&server).conversation();
    let error = agent.run("Go.").await.unwrap_err();
    assert!(
        matches!(
            &error,
            AgentError::Model {
                turn: 2,
                source: ModelError::Status { status: 400, .. }
            }
        ),
        "{error:?}"
    );
    assert_eq!(agent.resume().await.unwrap().text, "Here I am.");
}

/// Wait until released.
#[tool]
async fn hold(#[state] held: &Arc<Notify>) {
    held.notify_one();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_run_dropped_while_tools_run_leaves_a_usable_history() {
    let held = Arc::new(Notify::new());
    let server = server([
        ScriptedReply::calls([("hold", json!({}))]),
        ScriptedReply::text("Fine."),
    ])
    .await;
    let dispatcher = Dispatcher::new(tools![hold].with_state(Arc::clone(&held)));
    let agent = Agent::new(server.client().unwrap(), "scripted")
        .with_tools(dispatcher)
        .conversation();
    tokio::select! {
        _ = agent.run("Go.") => panic!("the tool never ends"),
        () = held.notified() => {}
    }
    let messages = agent.messages();
    let [
        Message::User(_),
        Message::Assistant(_),
        Message::Tool(result),
    ] = &messages[..]
    else {
        panic!("a call that has begun is in the history: {messages:?}");
    };
    assert!(result.text().contains("cancelled"), "{result:?}");
    assert_eq!(agent.run("Never mind.").await.unwrap().text, "Fine.");
}

#[tokio::test]
async fn a_refusal_is_an_error_and_no_call_of_it_runs() {
    let call =
        json!({"id": "1", "type": "function", "function": {"name": "fail", "arguments": "{}"}});
    let message = json!({"content": null, "refusal": "I'd rather not.", "tool_calls": [call]});
    let server = server([
        ScriptedReply::body(json!({"choices": [{"message": message}]}).to_string()),
        ScriptedReply::text("That I can do."),
    ])
    .await;
    let agent = agent(&server).conversation();
    assert!(
        matches!(agent.run("Go.").await, Err(AgentError::Refused { refusal }) if refusal == "I'd rather not.")
    );
    agent.run("Then this.").await.unwrap();
    assert_eq!(
        conversation(&server)[1],
        json!({"role": "assistant", "content": [{"type": "refusal", "refusal": "I'd rather not."}]})
    );
}

#[tokio::test]
async fn an_empty_refusal_is_not_a_refusal() {
    let polite = json!({"choices": [{"message": {"role": "assistant", "content": "Hello.", "refusal": ""}}]}).to_string();
    let server = server([ScriptedReply::body(polite), ScriptedReply::text("Bye.")]).await;
    let agent = agent(&server).conversation();
    assert_eq!(agent.run("Hi.").await.unwrap().text, "Hello.");
    agent.run("Bye.").await.unwrap();
    assert_eq!(
        conversation(&server)[1],
        json!({"role": "assistant", "content": "Hello."})
    );
}

#[tokio::test]
async fn a_long_conversation_is_taken() {
    let server = server([ScriptedReply::text("Long.")]).await;
    assert_eq!(
        agent(&server)
            .run("word ".repeat(1_000_000))
            .await
            .unwrap()
            .text,
        "Long."
    );
}

#[tokio::test]
async fn an_empty_answer_is_an_error() {
    let empty =
        json!({"choices": [{"message": {"content": ""}, "finish_reason": "length"}]}).to_string();
    let server = server([ScriptedReply::body(empty), ScriptedReply::text("Better.")]).await;
    let agent = agent(&server).conversation();
    assert!(
        matches!(agent.run("Go.").await, Err(AgentError::NoAnswer { finish_reason: Some(reason) }) if reason == "length")
    );
    assert_eq!(agent.resume().await.unwrap().text, "Better.");
}

#[tokio::test]
async fn a_truncated_call_is_answered_and_never_run() {
    let call =
        json!({"id": "1", "type": "function", "function": {"name": "fail", "arguments": ""}});
    let cut = json!({"choices": [{"message": {"content": null, "tool_calls": [call]}, "finish_reason": "length"}]});
    let server = server([
        ScriptedReply::body(cut.to_string()),
        ScriptedReply::text("Again."),
    ])
    .await;
    agent(&server).run("Go.").await.unwrap();
    assert_eq!(
        tool_contents(&server),
        [
            r#"{"error":"the call was cut off before its arguments were complete; make it again","tool":"fail"}"#
        ]
    );
}

#[tokio::test]
async fn requests_carry_what_was_set_and_nothing_else() {
    let server = server([
        ScriptedReply::text("Hello."),
        ScriptedReply::text("Hello again."),
    ])
    .await;
    let bare = Agent::new(server.client().unwrap(), "scripted");
    bare.run("Hi.").await.unwrap();
    assert_eq!(
        server.requests()[0],
        json!({"model": "scripted", "messages": [{"role": "user", "content": "Hi."}]})
    );

    let full = agent(&server)
        .with_instructions("Be brief.")
        .with_parallel_guidance()
        .with_parameter("temperature", 0);
    full.run("Hi.").await.unwrap();
    let request = &server.requests()[1];
    assert_eq!(request["temperature"], 0);
    assert_eq!(request["tools"].as_array().unwrap().len(), 4);
    assert!(
        request.get("parallel_tool_calls").is_none(),
        "some models refuse the key"
    );
    let system = request["messages"][0]["content"].as_str().unwrap();
    assert!(
        system.starts_with("Be brief.\n\n") && system.contains("one message"),
        "{system}"
    );
}

#[tokio::test]
async fn usage_adds_up_and_events_cover_the_run() {
    let server = server([
        ScriptedReply::calls([("add", json!({"a": 1, "b": 1}))]),
        ScriptedReply::text("2."),
        ScriptedReply::text("Bye."),
    ])
    .await;
    let story = Arc::new(Mutex::new(Vec::new()));
    let reported = Arc::clone(&story);
    let agent = agent(&server)
        .with_on_event(move |event| {
            let line = match event {
                AgentEvent::TurnStarted { turn } => format!("asking {turn}"),
                AgentEvent::ToolCallsReady(calls) => format!("{} call", calls.len()),
                AgentEvent::Results(results) => format!("result {}", results[0].content()),
                _ => return,
            };
            reported.lock().unwrap().push(line);
        })
        .conversation();
    let first = agent.run("1 + 1?").await.unwrap().usage;
    let second = agent.run("Thanks.").await.unwrap().usage;
    assert!(
        first.total_tokens > 0
            && first.total_tokens == first.prompt_tokens + first.completion_tokens
    );
    assert_eq!(
        agent.usage().total_tokens,
        first.total_tokens + second.total_tokens
    );
    assert_eq!(
        *story.lock().unwrap(),
        ["asking 1", "1 call", "result 2", "asking 2", "asking 1"]
    );
}

#[tokio::test]
async fn a_conversation_survives_serialisation() {
    let server = server([
        ScriptedReply::calls([("add", json!({"a": 1, "b": 1}))]),
        ScriptedReply::text("2."),
        ScriptedReply::text("Still 2."),
    ])
    .await;
    let first = agent(&server).conversation();
    first.run("1 + 1?").await.unwrap();
    let saved = serde_json::to_string(&first.messages()).unwrap();
    let messages: Vec<Message> = serde_json::from_str(&saved).unwrap();
    assert_eq!(messages, first.messages());
    assert_eq!(
        agent(&server)
            .conversation_from(messages)
            .run("Sure?")
            .await
            .unwrap()
            .text,
        "Still 2."
    );
    assert_eq!(conversation(&server).len(), 5);
}

#[tokio::test]
async fn parameters_that_the_agent_sets_itself_are_refused() {
    let server = ScriptedServer::start([]).await.unwrap();
    let agent = Agent::new(server.client().unwrap(), "scripted")
        .with_parameter("tools", json!([]))
        .conversation();
    let error = agent.run("Go.").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`tools` is written by the agent itself; set it with the `with_…` method that it has for it"
    );
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn an_error_has_its_cause_in_its_line() {
    let server = ScriptedServer::start([ScriptedReply::error(400, "bad", "No.")])
        .await
        .unwrap();
    let agent = Agent::new(server.client().unwrap(), "scripted")
        .conversation_from(vec![Message::user("Hi."), Message::assistant("Hello.")]);
    let error = agent.run("Go.").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "turn 1 failed: the service answered 400: No."
    );
    let result = Message::tool("call_1", "noon");
    assert_eq!(
        serde_json::to_value(result).unwrap(),
        json!({"role": "tool", "tool_call_id": "call_1", "content": "noon"})
    );
}
