//! The HTTP client, and what the scripted server refuses.

mod retries;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, from_value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tool_openai::chat::{Message, Request};
use tool_openai::testing::{ScriptedReply, ScriptedServer};
use tool_openai::{Agent, ChatModel, ModelError, OpenAi};

fn request(messages: Value) -> Request {
    Request {
        model: "gpt-none".to_owned(),
        messages: from_value(messages).unwrap(),
        ..Request::default()
    }
}

fn hello() -> Request {
    Request {
        model: "gpt-none".to_owned(),
        messages: vec![Message::user("Hi.")],
        ..Request::default()
    }
}

async fn answer(
    replies: impl IntoIterator<Item = ScriptedReply>,
) -> (Result<String, ModelError>, usize) {
    let server = ScriptedServer::start(replies).await.unwrap();
    let completion = server.client().unwrap().complete(&hello()).await;
    (
        completion.map(|completion| completion.choices[0].message.text()),
        server.requests().len(),
    )
}

#[tokio::test]
async fn a_refused_key_is_named_as_such() {
    let (refused, requests) = answer([ScriptedReply::error(
        401,
        "invalid_api_key",
        "Incorrect API key provided: sk-x.",
    )])
    .await;
    let error = refused.unwrap_err();
    assert!(matches!(error, ModelError::Unauthorized { .. }));
    assert_eq!(
        error.to_string(),
        "the service refused the API key: Incorrect API key provided: sk-x.; check `OPENAI_API_KEY`, and that it belongs to `OPENAI_BASE_URL`"
    );
    assert_eq!(requests, 1, "a refused key is not tried again");
}

#[tokio::test]
async fn an_unknown_model_is_named() {
    let (refused, _) = answer([ScriptedReply::error(
        404,
        "model_not_found",
        "The model `gpt-none` does not exist.",
    )])
    .await;
    assert!(matches!(refused, Err(ModelError::UnknownModel { model, .. }) if model == "gpt-none"));
}

#[tokio::test]
async fn a_body_that_is_not_a_completion_is_shown() {
    for body in [
        "<html>Welcome</html>",
        "upstream error",
        r#"{"object": "list", "data": []}"#,
        "",
    ] {
        let (refused, _) = answer([ScriptedReply::body(body)]).await;
        assert!(
            matches!(refused, Err(ModelError::InvalidResponse { .. })),
            "{body}: {refused:?}"
        );
    }
}

/// A server that answers each connection with these bytes, and what it was sent.
async fn raw(answer: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, requests) = (
        listener.local_addr().unwrap(),
        Arc::<Mutex<Vec<String>>>::default(),
    );
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = connection.read(&mut request).await.unwrap();
            seen.lock()
                .unwrap()
                .push(String::from_utf8_lossy(&request[..length]).to_lowercase());
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (format!("http://{address}"), requests)
}

/// What comes of an answer that is none, and what was asked.
async fn refused(answer: String) -> (ModelError, String, Vec<String>) {
    let (address, requests) = raw(answer).await;
    let client = OpenAi::at(&address).unwrap();
    let error = client.complete(&hello()).await.unwrap_err();
    let requests = requests.lock().unwrap().clone();
    (error, address, requests)
}

#[tokio::test]
async fn a_service_of_another_shape_gets_its_header_and_its_query() {
    let body = json!({"choices": [{"message": {"content": "Hello."}}]}).to_string();
    let (address, requests) = raw(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ))
    .await;
    let client = OpenAi::at(&format!(
        "{address}/openai/deployments/d?api-version=2024-10-21"
    ))
    .unwrap()
    .with_header("api-key", "k")
    .unwrap();
    client.complete(&hello()).await.unwrap();
    let request = requests.lock().unwrap()[0].clone();
    assert!(
        request.starts_with(
            "post /openai/deployments/d/chat/completions?api-version=2024-10-21 http/1.1\r\n"
        ),
        "{request}"
    );
    assert!(
        request.contains("\r\napi-key: k\r\n") && !request.contains("authorization"),
        "{request}"
    );
}

#[tokio::test]
async fn a_redirect_sends_nothing_to_another_host() {
    let (elsewhere, there) =
        raw("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()).await;
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {elsewhere}/?key=secret\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let (address, _) = raw(redirect).await;
    let client = OpenAi::at(&address)
        .unwrap()
        .with_header("api-key", "k")
        .unwrap();
    let error = client.complete(&hello()).await.unwrap_err();
    assert!(
        matches!(&error, ModelError::Status { status: 307, message, .. } if message.contains(&elsewhere)),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(there.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_redirect_that_changes_the_method_is_reported() {
    for status in [301, 302, 303] {
        let (error, address, requests) = refused(format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: /v2/chat/completions\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        ))
        .await;
        assert_eq!(
            error.to_string(),
            format!(
                "the service answered {status}: it redirects to {address}/v2/chat/completions, which is not followed; set the base URL to it"
            )
        );
        assert_eq!(requests.len(), 1);
    }
}

#[tokio::test]
async fn an_unrequested_encoding_is_reported() {
    for (status, expected) in [
        (
            200,
            "the answer is not a chat completion (it is compressed (`gzip`), which was not asked for; have the service, or the proxy before it, \
             send plain bytes): ",
        ),
        (
            400,
            "the service answered 400: the body of the error is compressed (`gzip`), which was not asked for",
        ),
    ] {
        let (error, _, requests) = refused(format!(
            "HTTP/1.1 {status} Answer\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\nconnection: close\r\n\r\n\u{1f}\u{b}x"
        ))
        .await;
        assert_eq!(error.to_string(), expected);
        let request = &requests[0];
        assert!(
            request.contains("\r\naccept-encoding: identity\r\n"),
            "{request}"
        );
    }
}

#[tokio::test]
async fn the_id_of_a_request_is_on_its_reply_and_on_every_error() {
    let with_id = |status: u16, body: &str| {
        format!(
            "HTTP/1.1 {status} Answer\r\nx-request-id: req_7\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let whole = r#"{"choices": [{"message": {"content": "Hello."}}]}"#;
    for (status, body) in [
        (200, whole.to_owned()),
        (200, format!("data: {whole}\n\ndata: [DONE]\n\n")),
    ] {
        let (address, _) = raw(with_id(status, &body)).await;
        let client = OpenAi::at(&address).unwrap();
        let completion = client.complete(&hello()).await.unwrap();
        assert_eq!(completion.request_id(), Some("req_7"));
        let reply = Agent::new(client, "m").run("Hi.").await.unwrap();
        assert_eq!(reply.request_id.as_deref(), Some("req_7"));
    }
    for (status, body) in [
        (401, "no"),
        (404, "no gpt-none here"),
        (400, r#"{"error": "no"}"#),
        (200, "<html>"),
        (200, r#"{"error": "no"}"#),
        (200, "data: {\"error\": \"no\"}\n\n"),
        (
            200,
            "data: {\"choices\": [{\"delta\": {\"content\": \"H\"}}]}\n\n",
        ),
    ] {
        let (address, _) = raw(with_id(status, body)).await;
        let client = OpenAi::at(&address).unwrap().with_retries(0);
        let request = hello();
        let mut events: Vec<_> = client.stream(&request).collect().await;
        for error in [
            client.complete(&request).await.unwrap_err(),
            events.pop().unwrap().unwrap_err(),
        ] {
            assert_eq!(error.request_id(), Some("req_7"), "{error:?}");
            assert!(error.to_string().ends_with(" (request req_7)"), "{error}");
        }
    }
}

/// Sixty megabytes of empty lists would be more than a gigabyte of values.
#[tokio::test]
async fn an_answer_of_too_many_values_is_refused_before_parsing() {
    let body = format!("{{\"choices\": [{}1]}}", "[],".repeat(20_000_000));
    let (error, _, _) = refused(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ))
    .await;
    assert!(
        matches!(&error, ModelError::InvalidResponse { reason, .. } if reason == "it has more than 1048576 values"),
        "{error}"
    );
}

#[tokio::test]
async fn transient_failures_are_retried_whatever_their_status() {
    let (answer, requests) = answer([
        ScriptedReply::error(400, "rate_limit_exceeded", "Slow down, try again in 1ms."),
        ScriptedReply::sse(
            "data: {\"error\": {\"code\": 503, \"message\": \"try again in 1ms\"}}\n\n",
        ),
        ScriptedReply::text("Hello."),
    ])
    .await;
    assert_eq!((answer.unwrap().as_str(), requests), ("Hello.", 3));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_asked_for_again() {
    let (answer, requests) = answer([
        ScriptedReply::text("Hello.").with_cut_after(0),
        ScriptedReply::text("Never said."),
    ])
    .await;
    assert!(
        matches!(answer, Err(ModelError::Transport { .. })),
        "{answer:?}"
    );
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn the_scripted_server_checks_the_order_of_tool_messages() {
    let server = ScriptedServer::start([ScriptedReply::text("Never said.")])
        .await
        .unwrap();
    let client = server.client().unwrap();
    let user = json!({"role": "user", "content": "Hi."});
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "add", "arguments": "{}"}});
    let asks = json!({"role": "assistant", "content": null, "tool_calls": [call("call_a"), call("call_b")]});
    let tool = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "1"});
    let missing = "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. \
                   The following tool_call_ids did not have response messages: call_b";
    let misplaced = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
    for (history, words) in [
        (json!([user, asks, tool("call_a")]), missing),
        (
            json!([user, asks, tool("call_a"), user, tool("call_b")]),
            missing,
        ),
        (
            json!([user, tool("call_a"), asks, tool("call_b")]),
            misplaced,
        ),
    ] {
        let error = client
            .complete(&request(history.clone()))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, ModelError::Status { status: 400, message, .. } if message == words),
            "{history}: {error}"
        );
    }
    let completion = client
        .complete(&request(json!([
            user,
            asks,
            tool("call_b"),
            tool("call_a")
        ])))
        .await
        .unwrap();
    assert_eq!(
        completion.choices[0].message.text(),
        "Never said.",
        "refused requests took no turn of the script"
    );
}

/// A service may say anything: the program's own secrets are shown nowhere.
#[tokio::test]
async fn secrets_that_a_service_repeats_are_not_shown() {
    let (key, header) = ("sk-hunter2-hunter2", "other-secret-value");
    let repeated = format!("`Authorization: Bearer {key}` and `{header}` are no good");
    let error = json!({"error": {"code": key, "message": repeated}});
    let replies = [
        ScriptedReply::error(400, "bad", &*repeated),
        ScriptedReply::error(401, "bad", &*repeated),
        ScriptedReply::error(404, "model_not_found", &*repeated),
        ScriptedReply::body(error.to_string()),
        ScriptedReply::body(format!("<html>{repeated}</html>")),
        ScriptedReply::sse(format!("data: {error}\n\n")),
        ScriptedReply::sse(format!("data: {{{repeated}}}\n\n")),
    ];
    for reply in replies {
        for streams in [false, true] {
            let server = ScriptedServer::start([reply.clone()]).await.unwrap();
            let client = OpenAi::new(key)
                .unwrap()
                .with_base_url(&server.base_url())
                .unwrap()
                .with_header("api-key", header)
                .unwrap()
                .with_retries(0);
            let error = if streams {
                let request = hello();
                let mut events: Vec<_> = client.stream(&request).collect().await;
                events.pop().unwrap().unwrap_err()
            } else {
                client.complete(&hello()).await.unwrap_err()
            };
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains("hunter2") && !shown.contains(header),
                "{shown}"
            );
            assert!(shown.contains("[redacted]"), "{shown}");
        }
    }
    let secret = "4f9d2c7b1a6e8d3f5c0b9a7e";
    let client = OpenAi::new(key)
        .unwrap()
        .with_base_url(&format!("http://127.0.0.1:9/v1/{secret}/openai"))
        .unwrap()
        .with_retries(0);
    let error = client.complete(&hello()).await.unwrap_err();
    let shown = format!("{client:?} {error} {error:?}");
    assert!(
        !shown.contains(secret) && shown.contains("/v1/[redacted]/openai"),
        "{shown}"
    );
}

/// Some services refuse what they wrote themselves; the scripted one refuses any key it does not
/// know.
#[tokio::test]
async fn keys_that_a_service_refuses_in_history_are_left_out() {
    let thought = json!([
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello.", "reasoning_content": "hm"},
        {"role": "user", "content": "And?"},
    ]);
    let replies = ["Fine.", "Again."].map(ScriptedReply::text);
    let server = ScriptedServer::start(replies).await.unwrap();
    let client = server.client().unwrap();
    for expected in ["Fine.", "Again."] {
        let completion = client.complete(&request(thought.clone())).await;
        assert_eq!(completion.unwrap().choices[0].message.text(), expected);
    }
    let sent: Vec<bool> = server
        .requests()
        .iter()
        .map(|request| request["messages"][1].get("reasoning_content").is_some())
        .collect();
    assert_eq!(sent, [true, false, false]);

    // Another model may need it.
    let mut other = request(thought);
    other.model = "gpt-other".to_owned();
    server.client().unwrap();
    let server = ScriptedServer::start(["Fine.", "Fine."].map(ScriptedReply::text))
        .await
        .unwrap();
    let client = server.client().unwrap();
    client
        .complete(&request(serde_json::to_value(&other.messages).unwrap()))
        .await
        .unwrap();
    client.complete(&other).await.unwrap();
    let sent = server.requests();
    assert!(
        sent[2]["messages"][1].get("reasoning_content").is_some(),
        "{sent:?}"
    );

    // Others refuse a request because such a key is missing.
    let refusal = "reasoning_content is missing in message 1";
    let refusal = ScriptedReply::error(400, "invalid_request_error", refusal);
    let server = ScriptedServer::start([refusal]).await.unwrap();
    let client = server.client().unwrap();
    let plain = json!([{"role": "user", "content": "Hi."}]);
    assert!(client.complete(&request(plain)).await.is_err());
    assert_eq!(server.requests().len(), 1);
}
