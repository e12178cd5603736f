//! The HTTP client's streams, over real HTTP.

mod limits;

use std::future::poll_fn;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tool_core::{Dispatcher, tool, tools};
use tool_openai::chat::{self, Completion, Message, Request};
use tool_openai::testing::{ScriptedReply, ScriptedServer};
use tool_openai::{Agent, ChatModel, ModelError, ModelEvent, OpenAi, StartPolicy};

/// Add two numbers.
#[tool]
fn add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}

fn request() -> Request {
    let tools = chat::tools(&tools![add]).unwrap().into_vec();
    Request {
        model: "gpt-none".to_owned(),
        messages: vec![Message::user("Go.")],
        tools: tools.into(),
        ..Request::default()
    }
}

/// The events of a stream, and when each came; the completion they end with.
async fn read(
    client: &OpenAi,
    request: &Request,
) -> (Vec<(ModelEvent, Duration)>, Result<Completion, ModelError>) {
    let mut stream = client.stream(request);
    let (mut events, start) = (Vec::new(), Instant::now());
    loop {
        match poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
            Some(Ok(ModelEvent::Finished(completion))) => {
                assert!(
                    poll_fn(|cx| stream.as_mut().poll_next(cx)).await.is_none(),
                    "nothing comes after the end"
                );
                return (events, Ok(completion));
            }
            Some(Ok(event)) => events.push((event, start.elapsed())),
            Some(Err(error)) => return (events, Err(error)),
            None => panic!("the stream has no end: {events:?}"),
        }
    }
}

/// As [`read`], of a server with this script; and how often it was asked.
async fn answer(
    replies: impl IntoIterator<Item = ScriptedReply>,
) -> (Vec<ModelEvent>, Result<Completion, ModelError>, usize) {
    let server = ScriptedServer::start(replies).await.unwrap();
    let (events, end) = read(&server.client().unwrap(), &request()).await;
    (
        events.into_iter().map(|(event, _)| event).collect(),
        end,
        server.requests().len(),
    )
}

fn two_calls() -> ScriptedReply {
    ScriptedReply::calls([
        ("add", json!({"a": 1, "b": 2})),
        ("add", json!({"a": 30, "b": 40})),
    ])
}

/// Answers one request with these bytes, and then says nothing more: whether it hangs up or not.
async fn raw(answer: Vec<u8>, hangs_up: bool) -> OpenAi {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _ = connection.read(&mut [0; 4096]).await.unwrap();
        let _ = connection.write_all(&answer).await; // unless the client has read enough
        if hangs_up {
            let _ = connection.shutdown().await;
        }
        let _ = connection.read_to_end(&mut Vec::new()).await;
    });
    OpenAi::at(&format!("http://{address}/v1")).unwrap()
}

fn head(content_type: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n")
        .into_bytes()
}

#[tokio::test]
async fn calls_are_reported_one_by_one_and_equal_a_whole_answer() {
    let server = ScriptedServer::start([
        two_calls().with_text("Let me see."),
        two_calls().with_text("Let me see."),
    ])
    .await
    .unwrap();
    let client = server.client().unwrap();
    let (events, streamed) = read(&client, &request()).await;
    let (streamed, whole) = (
        streamed.unwrap(),
        client.complete(&request()).await.unwrap(),
    );

    let mut events_seen = (
        String::new(),
        vec![String::new(), String::new()],
        Vec::new(),
    );
    for (event, _) in events {
        match event {
            ModelEvent::Text(text) => events_seen.0 += &text,
            ModelEvent::ToolCallDelta { position, delta } => events_seen.1[position] += &delta,
            ModelEvent::ToolCallStarted { position, name } => {
                events_seen.2.push(format!("{name} {position} begins"));
            }
            ModelEvent::ToolCallComplete { position, call } => events_seen
                .2
                .push(format!("{} {position} is complete", call.function.name)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(events_seen.0, "Let me see.");
    assert_eq!(events_seen.1, [r#"{"a":1,"b":2}"#, r#"{"a":30,"b":40}"#]);
    assert_eq!(
        events_seen.2,
        [
            "add 0 begins",
            "add 0 is complete",
            "add 1 begins",
            "add 1 is complete"
        ]
    );

    let parts = |completion: &Completion| {
        let choice = &completion.choices[0];
        let calls: Vec<_> = choice
            .message
            .tool_calls
            .iter()
            .map(|call| (call.function.clone(), call.id.is_empty()))
            .collect();
        (
            choice.message.content.clone(),
            calls,
            choice.finish_reason.clone(),
            completion.usage.clone().unwrap().completion_tokens,
        )
    };
    assert_eq!(parts(&streamed), parts(&whole));

    let requests = server.requests();
    assert_eq!(
        (&requests[0]["stream"], &requests[0]["stream_options"]),
        (&json!(true), &json!({"include_usage": true}))
    );
    assert_eq!(
        (requests[1].get("stream"), requests[1].get("stream_options")),
        (None, None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_is_complete_while_the_next_is_being_written() {
    let server = ScriptedServer::start([two_calls().with_pace(Duration::from_secs(1))])
        .await
        .unwrap();
    let (events, end) = read(&server.client().unwrap(), &request()).await;
    end.unwrap();
    let complete: Vec<_> = events
        .iter()
        .filter(|(event, _)| matches!(event, ModelEvent::ToolCallComplete { .. }))
        .collect();
    assert_eq!(complete.len(), 2);
    assert!(
        complete[0].1 + Duration::from_secs(2) < complete[1].1,
        "{complete:?}"
    );
}

/// Says when it runs.
#[tool(read_only)]
async fn look(#[state] seen: &mpsc::UnboundedSender<Instant>) {
    seen.send(Instant::now()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_runs_while_the_next_is_being_written() {
    let two = ScriptedReply::calls([("look", json!({})), ("look", json!({}))])
        .with_pace(Duration::from_secs(1));
    for (policy, apart) in [
        (StartPolicy::CallEnd, true),
        (StartPolicy::StreamEnd, false),
    ] {
        let server = ScriptedServer::start([two.clone(), ScriptedReply::text("Done.")])
            .await
            .unwrap();
        let (seen, mut runs) = mpsc::unbounded_channel();
        let dispatcher = Dispatcher::new(tools![look].with_state(seen));
        Agent::new(server.client().unwrap(), "scripted")
            .with_tools(dispatcher)
            .with_start_policy(policy)
            .run("Go.")
            .await
            .unwrap();
        let (first, second) = (runs.recv().await.unwrap(), runs.recv().await.unwrap());
        assert_eq!(
            second - first >= Duration::from_secs(1),
            apart,
            "{:?}",
            second - first
        );
    }
}

#[tokio::test]
async fn stream_options_can_be_omitted_or_replaced() {
    let server = ScriptedServer::start(vec![ScriptedReply::text("Hello."); 2])
        .await
        .unwrap();
    let client = server.client().unwrap().with_stream_usage(false);
    let (_, end) = read(&client, &request()).await;
    assert!(end.unwrap().usage.is_none());
    let mut own = request();
    own.extra.insert(
        "stream_options".to_owned(),
        json!({"include_obfuscation": false}),
    );
    read(&server.client().unwrap(), &own).await.1.unwrap();
    let options: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.get("stream_options").cloned())
        .collect();
    assert_eq!(options, [None, Some(json!({"include_obfuscation": false}))]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_not_begun_is_tried_again() {
    let (events, end, requests) = answer([
        ScriptedReply::rate_limit(0),
        ScriptedReply::error(503, "unavailable", "Overloaded."),
        ScriptedReply::text("Hello."),
    ])
    .await;
    assert_eq!(
        (
            events.is_empty(),
            end.unwrap().choices[0].message.text().as_str(),
            requests
        ),
        (false, "Hello.", 3)
    );
}

#[tokio::test]
async fn a_stream_that_has_reported_something_is_never_retried() {
    let error =
        |chunks| two_calls().with_error_after(chunks, "server_error", "The model is overloaded.");
    for (turn, chunks) in (0..6).flat_map(|chunks| {
        [
            (two_calls().with_cut_after(chunks), chunks),
            (error(chunks), chunks),
        ]
    }) {
        let (events, end, requests) = answer([turn, ScriptedReply::text("Said.")]).await;
        match end {
            Err(_) => assert_eq!(requests, 1, "{chunks} chunks"),
            // It failed before any event.
            Ok(completion) => {
                assert_eq!(completion.choices[0].message.text(), "Said.");
                assert!(chunks < 2 && requests == 2, "{chunks} chunks");
                let is_text = |event: &ModelEvent| matches!(event, ModelEvent::Text(_));
                assert!(events.iter().all(is_text), "{events:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_broken_connection_is_reported_after_earlier_events() {
    let (events, end, _) = answer([two_calls().with_cut_after(5)]).await;
    assert!(
        matches!(
            events[..],
            [
                ModelEvent::ToolCallStarted { position: 0, .. },
                ModelEvent::ToolCallDelta { .. },
                ..
            ]
        ),
        "{events:?}"
    );
    let error = end.unwrap_err();
    assert!(matches!(error, ModelError::Transport { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with("no whole answer from the service at http://127.0.0.1:"),
        "{error}"
    );
}

#[tokio::test]
async fn an_answer_that_ends_in_the_middle_of_a_call_is_no_answer() {
    let mut body = head("text/event-stream");
    body.extend(br#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"1","function":{"name":"add","arguments":"{\"a\":"}}]}}]}"#);
    body.extend(b"\n\n");
    let (_, end) = read(&raw(body, true).await, &request()).await;
    assert!(
        matches!(end, Err(ModelError::Interrupted { .. })),
        "{end:?}"
    );
}

#[tokio::test]
async fn an_error_in_a_stream_keeps_the_providers_text() {
    for turn in [
        two_calls().with_error_after(4, "server_error", "The model is overloaded."),
        ScriptedReply::sse(
            "event: error\ndata: {\"message\": \"The model is overloaded.\", \"code\": \"server_error\"}\n\n",
        ),
    ] {
        let (_, end, _) = answer([turn.clone(), turn.clone(), turn]).await;
        let Err(ModelError::StreamError { code, message, .. }) = end else {
            panic!("{end:?}")
        };
        assert_eq!(
            (code.as_deref(), message.as_str()),
            (Some("server_error"), "The model is overloaded.")
        );
    }
}

#[tokio::test]
async fn a_service_that_does_not_stream_is_read_all_the_same() {
    let body = json!({"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]})
        .to_string();
    for body in [body.clone(), format!("\u{feff}\r\n {body}")] {
        let (events, end, _) = answer([ScriptedReply::body(body)]).await;
        assert_eq!(
            (events, end.unwrap().choices[0].message.text().as_str()),
            (Vec::new(), "Hello.")
        );
    }
}

#[tokio::test]
async fn a_service_that_streams_unasked_is_read_all_the_same() {
    let events = r#"data: {"choices": [{"delta": {"content": "Hel"}}]}"#.to_owned()
        + "\n\n"
        + r#"data: {"choices": [{"delta": {"content": "lo."}, "finish_reason": "stop"}]}"#
        + "\n\ndata: [DONE]\n\n";
    let server = ScriptedServer::start([
        ScriptedReply::sse(events.clone()),
        ScriptedReply::sse(events).with_cut_after(1),
    ])
    .await
    .unwrap();
    let client = server.client().unwrap();
    assert_eq!(
        client.complete(&request()).await.unwrap().choices[0]
            .message
            .text(),
        "Hello."
    );
    assert!(matches!(
        client.complete(&request()).await,
        Err(ModelError::Transport { .. })
    ));
}

#[tokio::test]
async fn a_body_that_is_neither_stream_nor_answer_is_shown() {
    let overloaded =
        || ScriptedReply::body(r#"{"error": {"message": "Overloaded.", "code": 529}}"#);
    let (_, end, requests) = answer([overloaded(), overloaded(), overloaded()]).await;
    assert_eq!(requests, 3);
    let Err(ModelError::Status {
        status: 200,
        code: Some(code),
        message,
        ..
    }) = end
    else {
        panic!("{end:?}")
    };
    assert_eq!((code.as_str(), message.as_str()), ("529", "Overloaded."));
    for body in [
        "<html>Welcome</html>",
        "upstream error",
        r#"{"object": "list", "data": []}"#,
        "",
        " \n ",
    ] {
        let (_, end, _) = answer([ScriptedReply::body(body)]).await;
        assert!(
            matches!(end, Err(ModelError::InvalidResponse { .. })),
            "{body}: {end:?}"
        );
    }
    let (_, end, _) = answer([ScriptedReply::sse(": nothing to say\n\ndata: [DONE]\n\n")]).await;
    assert!(
        matches!(end, Err(ModelError::InvalidResponse { .. })),
        "{end:?}"
    );
}

#[tokio::test]
async fn comments_and_any_line_ending_are_accepted() {
    let chunk = |delta: Value| json!({"choices": [{"delta": delta}]}).to_string();
    let events = format!(
        ": PROCESSING\r\n\r\nid: 7\r\ndata: {}\r\n\r\n\ndata:{}\n\ndata: [DONE]",
        chunk(json!({"content": "Hel"})),
        chunk(json!({"content": "lo."}))
    );
    let (events_seen, end, _) = answer([ScriptedReply::sse(events)]).await;
    assert_eq!(
        events_seen,
        [
            ModelEvent::Text("Hel".to_owned()),
            ModelEvent::Text("lo.".to_owned())
        ]
    );
    assert_eq!(end.unwrap().choices[0].message.text(), "Hello.");
}

#[tokio::test]
async fn a_stream_ends_at_done_though_the_connection_stays_open() {
    let mut answer = head("text/event-stream");
    answer.extend(
        b"data: {\"choices\": [{\"delta\": {\"content\": \"Hello.\"}}]}\n\ndata: [DONE]\n\n",
    );
    let (_, end) = read(&raw(answer, false).await, &request()).await;
    assert_eq!(end.unwrap().choices[0].message.text(), "Hello.");
}

#[tokio::test]
async fn a_refusal_and_a_finish_reason_arrive() {
    let (events, end, _) = answer([ScriptedReply::refusal("I will not.")]).await;
    assert!(
        events
            .iter()
            .all(|event| matches!(event, ModelEvent::Refusal(_))),
        "{events:?}"
    );
    assert_eq!(
        end.unwrap().choices[0].message.refusal.as_deref(),
        Some("I will not.")
    );

    let cut = ScriptedReply::calls([
        ("add", json!({"a": 1, "b": 2})),
        ("add", json!("{\"a\": 3, ")),
    ])
    .with_finish_reason("length");
    let (events, end, _) = answer([cut]).await;
    let complete: Vec<_> = events
        .iter()
        .filter(|event| matches!(event, ModelEvent::ToolCallComplete { .. }))
        .collect();
    assert!(
        matches!(
            complete[..],
            [ModelEvent::ToolCallComplete { position: 0, .. }]
        ),
        "{complete:?}"
    );
    let choice = &end.unwrap().choices[0];
    assert!(choice.is_cut());
    assert_eq!(
        choice.message.tool_calls[1].function.arguments,
        "{\"a\": 3, "
    );
}
