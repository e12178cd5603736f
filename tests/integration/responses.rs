//! The agent over the Responses API: its requests, and how it reads the answers.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::{Value, json};
use tool_core::{Dispatcher, tool, tools};
use tool_openai::chat::Message;
use tool_openai::testing::{ScriptedReply, ScriptedServer};
use tool_openai::{Agent, AgentError, ModelError, OpenAi, StartPolicy};

/// Add two numbers.
#[tool(read_only)]
fn add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}

/// Answers by script, and records the requests.
struct Server {
    base_url: String,
    requests: Arc<Mutex<Vec<Value>>>,
}

/// Serves the app, and returns the base URL of its API.
pub(crate) async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    base_url
}

impl Server {
    async fn start(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let state = (
            Arc::clone(&requests),
            Mutex::new(answers.into_iter().collect::<VecDeque<_>>()),
        );
        let state = Arc::new(state);
        let respond = move |body: String| {
            let request: Value = serde_json::from_str(&body).unwrap();
            let streamed = request["stream"] == true;
            state.0.lock().unwrap().push(request);
            let (status, answer) = state.1.lock().unwrap().pop_front().unwrap();
            let status = StatusCode::from_u16(status).unwrap();
            async move {
                if streamed && status.is_success() {
                    ([(CONTENT_TYPE, "text/event-stream")], events(&answer)).into_response()
                } else {
                    (
                        status,
                        [(CONTENT_TYPE, "application/json")],
                        answer.to_string(),
                    )
                        .into_response()
                }
            }
        };
        let app = Router::new().route("/v1/responses", post(respond));
        let base_url = serve(app).await;
        Self { base_url, requests }
    }

    fn agent(&self) -> Agent {
        let client = OpenAi::new("key")
            .unwrap()
            .with_base_url(&self.base_url)
            .unwrap();
        Agent::new(client.into_responses(), "gpt-5").with_tools(Dispatcher::new(tools![add]))
    }

    fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }
}

/// The response as a stream: each item whole, arguments in two pieces.
fn events(response: &Value) -> String {
    let mut events =
        vec![json!({"type": "response.created", "response": {"id": response["id"], "output": []}})];
    for (index, item) in response["output"].as_array().unwrap().iter().enumerate() {
        let mut begun = item.clone();
        if let Some(arguments) = item["arguments"].as_str() {
            begun["arguments"] = "".into();
            events.push(
                json!({"type": "response.output_item.added", "output_index": index, "item": begun}),
            );
            let (one, two) = arguments.split_at(arguments.len() / 2);
            events.extend(
                [one, two].map(|delta| json!({"type": "response.function_call_arguments.delta", "output_index": index, "delta": delta})),
            );
        } else {
            events.push(
                json!({"type": "response.output_item.added", "output_index": index, "item": begun}),
            );
        }
        events.push(
            json!({"type": "response.output_item.done", "output_index": index, "item": item}),
        );
    }
    let status = response["status"].as_str().unwrap();
    events.push(json!({"type": format!("response.{status}"), "response": response}));
    events
        .iter()
        .map(|event| {
            format!(
                "event: {}\ndata: {event}\n\n",
                event["type"].as_str().unwrap()
            )
        })
        .collect()
}

fn response(output: Value) -> (u16, Value) {
    let usage = json!({"input_tokens": 10, "output_tokens": 5, "total_tokens": 15});
    (
        200,
        json!({"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5", "output": output, "usage": usage}),
    )
}

fn assistant_item(text: &str) -> Value {
    let content = json!([{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]);
    json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content})
}

fn reasoning(id: &str) -> Value {
    json!({"type": "reasoning", "id": id, "summary": [], "encrypted_content": format!("secret of {id}")})
}

fn call(id: &str, name: &str, arguments: &Value) -> Value {
    let arguments = arguments
        .as_str()
        .map_or_else(|| arguments.to_string(), str::to_owned);
    json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": name, "arguments": arguments, "status": "completed"})
}

fn output(id: &str, output: &str) -> Value {
    json!({"type": "function_call_output", "call_id": id, "output": output})
}

fn user(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": text})
}

/// Calls can start early only where the answer is a stream.
fn policy(streamed: bool) -> StartPolicy {
    if streamed {
        StartPolicy::CallEnd
    } else {
        StartPolicy::StreamEnd
    }
}

/// Two calls, each after some thought, and an answer.
fn conversation() -> [(u16, Value); 2] {
    let thought = json!([
        reasoning("rs_1"),
        call("a", "add", &json!({"a": 1, "b": 2})),
        reasoning("rs_2"),
        call("b", "add", &json!({"a": 3, "b": 4})),
    ]);
    [
        response(thought),
        response(json!([assistant_item("3 and 7.")])),
    ]
}

#[tokio::test]
async fn items_of_the_model_are_sent_back_unchanged_before_outputs() {
    for streamed in [false, true] {
        let server = Server::start(conversation()).await;
        let agent = server
            .agent()
            .with_start_policy(policy(streamed))
            .with_instructions("Be brief.")
            .with_parameter("max_completion_tokens", 100)
            .conversation();
        let reply = agent.run("1 + 2? 3 + 4?").await.unwrap();
        assert_eq!(
            (reply.text.as_str(), reply.turns, reply.usage.total_tokens),
            ("3 and 7.", 2, 30)
        );

        let requests = server.requests();
        assert_eq!(requests[0]["input"], json!([user("1 + 2? 3 + 4?")]));
        let mut expected = vec![user("1 + 2? 3 + 4?")];
        expected.extend(conversation()[0].1["output"].as_array().unwrap().clone());
        expected.extend([output("a", "3"), output("b", "7")]);
        assert_eq!(requests[1]["input"], Value::Array(expected));
        for request in &requests {
            assert_eq!(request["instructions"], "Be brief.");
            assert_eq!(
                (&request["store"], &request["include"]),
                (&json!(false), &json!(["reasoning.encrypted_content"]))
            );
            assert_eq!(
                (&request["max_output_tokens"], &request["tools"][0]["name"]),
                (&json!(100), &json!("add"))
            );
            assert!(request["tools"][0]["strict"].is_boolean());
            assert_eq!(request.get("stream"), streamed.then_some(&json!(true)));
            assert_eq!(
                (request.get("messages"), request.get("stream_options")),
                (None, None)
            );
        }
    }
}

#[tokio::test]
async fn a_stored_history_serves_both_apis() {
    let server = Server::start(
        conversation()
            .into_iter()
            .chain([response(json!([assistant_item("Yes.")]))]),
    )
    .await;
    let agent = server.agent().conversation();
    agent.run("1 + 2? 3 + 4?").await.unwrap();
    let stored = serde_json::to_string(&agent.messages()).unwrap();
    let history: Vec<Message> = serde_json::from_str(&stored).unwrap();

    server
        .agent()
        .conversation_from(history.clone())
        .run("Sure?")
        .await
        .unwrap();
    let input = server.requests()[2]["input"].as_array().unwrap().clone();
    assert_eq!(input.len(), 9);
    assert_eq!(
        (&input[1], &input[7]["content"][0]["text"]),
        (&reasoning("rs_1"), &json!("3 and 7."))
    );

    // Which refuses keys that it does not know.
    let chat = ScriptedServer::start([ScriptedReply::text("Yes.")])
        .await
        .unwrap();
    let agent = Agent::new(chat.client().unwrap(), "gpt-4o")
        .with_tools(Dispatcher::new(tools![add]))
        .conversation_from(history);
    assert_eq!(agent.run("Sure?").await.unwrap().text, "Yes.");
    assert!(!chat.requests()[0].to_string().contains("responses_"));
}

#[tokio::test]
async fn a_wrapper_goes_back_as_the_calls_in_it() {
    let uses = json!({"tool_uses": [
        {"recipient_name": "functions.add", "parameters": {"a": 1, "b": 2}},
        {"recipient_name": "functions.add", "parameters": {"a": 3, "b": 4}},
    ]});
    let answers = [
        response(json!([
            reasoning("rs_1"),
            call("w", "multi_tool_use.parallel", &uses)
        ])),
        response(json!([assistant_item("Done.")])),
    ];
    let server = Server::start(answers).await;
    server.agent().run("Add.").await.unwrap();
    let input = server.requests()[1]["input"].as_array().unwrap().clone();
    let kinds: Vec<_> = input
        .iter()
        .map(|item| item["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "message",
            "reasoning",
            "function_call",
            "function_call",
            "function_call_output",
            "function_call_output"
        ]
    );
    assert_eq!(
        (&input[2]["call_id"], &input[3]["call_id"]),
        (&input[4]["call_id"], &input[5]["call_id"])
    );
    assert_ne!(input[2]["call_id"], input[3]["call_id"]);
    assert_eq!(
        (&input[2]["name"], &input[4]["output"], &input[5]["output"]),
        (&json!("add"), &json!("3"), &json!("7"))
    );
}

#[tokio::test]
async fn a_truncated_call_is_answered_and_sent_back_valid() {
    for streamed in [false, true] {
        let mut cut = call("a", "add", &json!("{\"a\": 48151"));
        cut["status"] = "incomplete".into();
        let (status, mut answer) = response(json!([cut]));
        answer["status"] = "incomplete".into();
        answer["incomplete_details"] = json!({"reason": "max_output_tokens"});
        let server = Server::start([
            (status, answer),
            response(json!([assistant_item("Sorry.")])),
        ])
        .await;
        server
            .agent()
            .with_start_policy(policy(streamed))
            .run("Add.")
            .await
            .unwrap();
        let input = server.requests()[1]["input"].clone();
        assert_eq!(
            (&input[1]["call_id"], &input[1]["arguments"]),
            (&json!("a"), &json!("{}"))
        );
        assert!(
            input[2]["output"].as_str().unwrap().contains("cut"),
            "{}",
            input[2]
        );
    }
}

#[tokio::test]
async fn a_refused_reasoning_setting_is_removed_and_remembered() {
    let refusal = json!({"error": {"message": "Encrypted content is not supported with this model.", "type": "invalid_request_error"}});
    let server = Server::start([(400, refusal)].into_iter().chain(conversation())).await;
    assert_eq!(
        server.agent().run("1 + 2? 3 + 4?").await.unwrap().text,
        "3 and 7."
    );
    let asked: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.get("include").is_some())
        .collect();
    assert_eq!(asked, [true, false, false]);
}

#[tokio::test]
async fn refusals_and_failures_end_the_run_as_they_do_in_chat() {
    let mut refused = assistant_item("");
    refused["content"] = json!([{"type": "refusal", "refusal": "No."}]);
    let server = Server::start([
        response(json!([refused.clone()])),
        response(json!([assistant_item("Hello.")])),
    ])
    .await;
    let agent = server.agent().conversation();
    assert!(
        matches!(agent.run("Hi.").await, Err(AgentError::Refused { refusal }) if refusal == "No.")
    );
    agent.run("Hi again.").await.unwrap();
    assert_eq!(
        server.requests()[1]["input"],
        json!([user("Hi."), refused, user("Hi again.")])
    );

    let failed = json!({"id": "resp_1", "status": "failed", "output": [], "error": {"code": "server_error", "message": "Sorry."}});
    let other = json!({"hello": 1});
    let server = Server::start([
        (200, failed.clone()),
        (200, failed.clone()),
        (200, failed),
        (200, other),
    ])
    .await;
    let error = |run: Result<_, AgentError>| match run {
        Err(AgentError::Model { source, .. }) => source,
        run => panic!("{run:?}"),
    };
    let agent = server.agent().conversation();
    assert!(
        matches!(error(agent.run("Hi.").await), ModelError::StreamError { message, .. } if message == "Sorry.")
    );
    assert!(
        matches!(error(agent.resume().await), ModelError::InvalidResponse { reason, .. } if reason.contains("output"))
    );
}

/// The thoughts that led to a call are sent back with it, though its message never ended.
#[tokio::test]
async fn a_call_that_ran_in_a_broken_stream_keeps_its_reasoning() {
    let thought = [
        reasoning("rs_1"),
        call("a", "add", &json!({"a": 1, "b": 2})),
        reasoning("rs_2"),
        call("b", "add", &json!({"a": 3, "b": 4})),
    ];
    let open = json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "content": []}});
    let done = thought.iter().zip(1..).map(
        |(item, index)| json!({"type": "response.output_item.done", "output_index": index, "item": item}),
    );
    let body: String = std::iter::once(open)
        .chain(done)
        .chain([json!({"type": "error", "code": "bad_gateway", "message": "gone"})])
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    let server = ScriptedServer::start([ScriptedReply::sse(body), ScriptedReply::text("3 and 7.")])
        .await
        .unwrap();
    let client = server.client().unwrap().with_retries(0);
    let agent = Agent::new(client.into_responses(), "gpt-5")
        .with_tools(Dispatcher::new(tools![add]))
        .with_start_policy(StartPolicy::CallEnd)
        .conversation();
    agent.run("Add.").await.unwrap_err();
    let request = tool_openai::responses::Request::from(&tool_openai::chat::Request {
        messages: agent.messages().to_vec(),
        ..tool_openai::chat::Request::default()
    });
    let input = serde_json::to_value(&request.input).unwrap();
    assert_eq!(input.as_array().unwrap()[1..5], thought);
    let answered: Vec<&Value> = (5..7).map(|place| &input[place]["call_id"]).collect();
    assert_eq!(answered, ["a", "b"]);
    assert_eq!(agent.resume().await.unwrap().text, "3 and 7.");
}
