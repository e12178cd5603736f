//! The answers of the scripted server in the form of the Responses API.

use super::*;

/// The types of a stream's events, without those of its pieces; and the events.
async fn events(reply: ScriptedReply) -> (Vec<String>, Vec<Value>) {
    let body = raw_response(reply, json!({"stream": true})).await;
    let data = |event: &str| {
        serde_json::from_str(
            event
                .lines()
                .find_map(|line| line.strip_prefix("data: "))
                .unwrap(),
        )
        .unwrap()
    };
    let events: Vec<Value> = body.split_terminator("\n\n").map(data).collect();
    let kinds = events.iter().map(|event| {
        event["type"]
            .as_str()
            .unwrap()
            .trim_start_matches("response.")
            .to_owned()
    });
    (
        kinds.filter(|kind| !kind.ends_with("delta")).collect(),
        events,
    )
}

#[tokio::test]
async fn a_response_has_the_order_of_the_services_own() {
    let (kinds, events) = events(
        calls()
            .with_text("Let me see.")
            .with_reasoning("Two things."),
    )
    .await;
    let call = [
        "output_item.added",
        "function_call_arguments.done",
        "output_item.done",
    ];
    let part = |kind: &'static str, text: &'static str| {
        let frame = ["reasoning_summary_part", "content_part"][usize::from(text == "output_text")];
        [
            format!("{frame}.added"),
            format!("{text}.done"),
            format!("{frame}.done"),
            kind.to_owned(),
        ]
    };
    let expected: Vec<String> = ["created", "in_progress", "output_item.added"]
        .map(str::to_owned)
        .into_iter()
        .chain(part("output_item.done", "reasoning_summary_text"))
        .chain(["output_item.added".to_owned()])
        .chain(part("output_item.done", "output_text"))
        .chain(call.into_iter().chain(call).map(str::to_owned))
        .chain(["completed".to_owned()])
        .collect();
    assert_eq!(kinds, expected);
    assert!(
        events
            .iter()
            .enumerate()
            .all(|(number, event)| event["sequence_number"] == number)
    );

    let output = events.last().unwrap()["response"]["output"]
        .as_array()
        .unwrap();
    let item_kinds: Vec<_> = output
        .iter()
        .map(|item| item["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        item_kinds,
        ["reasoning", "message", "function_call", "function_call"]
    );
    for (index, item) in output.iter().enumerate() {
        let of_it = |kind: &str| {
            events
                .iter()
                .filter(|event| {
                    event["output_index"] == index
                        && event["type"].as_str().unwrap().ends_with(kind)
                })
                .collect::<Vec<_>>()
        };
        let reported: String = of_it(".delta")
            .iter()
            .map(|event| event["delta"].as_str().unwrap())
            .collect();
        let text = item["arguments"]
            .as_str()
            .or(item["content"][0]["text"].as_str())
            .or(item["summary"][0]["text"].as_str());
        assert_eq!(Some(reported.as_str()), text);
        assert_eq!(of_it("output_item.done")[0]["item"], *item);
    }
}

#[tokio::test]
async fn a_response_is_read_alike_whole_and_streamed() {
    let cut = ScriptedReply::calls([
        ("add", json!({"a": 1, "b": 2})),
        ("add", json!("{\"a\": 3, ")),
    ])
    .with_finish_reason("length");
    for reply in [
        calls()
            .with_text("Let me see.")
            .with_reasoning("Two things."),
        ScriptedReply::refusal("I will not."),
        cut,
    ] {
        let whole: Response =
            serde_json::from_str(&raw_response(reply.clone(), json!({})).await).unwrap();
        let mut assembler = ResponsesAssembler::new();
        assembler
            .push_bytes(
                raw_response(reply, json!({"stream": true}))
                    .await
                    .as_bytes(),
            )
            .unwrap();
        let streamed = assembler.finish().unwrap();
        let usage = whole.usage.clone(); // counts what was asked, too
        assert_eq!(
            Response {
                usage: streamed.usage.clone(),
                ..whole
            },
            streamed
        );
        assert_eq!(
            usage.unwrap().output_tokens,
            streamed.usage.unwrap().output_tokens
        );
    }
}

#[tokio::test]
async fn a_response_is_cut_where_the_script_says() {
    let streamed = json!({"stream": true});
    let cut = raw_response(calls().with_cut_after(4), streamed.clone()).await;
    assert_eq!(cut.matches("\n\n").count(), 4);
    let failed = raw_response(calls().with_error_after(2, "server_error", "No."), streamed).await;
    assert!(
        failed.contains(
            "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"No.\""
        ),
        "{failed}"
    );
    let failed: Value = serde_json::from_str(
        &raw_response(
            calls().with_error_after(0, "server_error", "No."),
            json!({}),
        )
        .await,
    )
    .unwrap();
    assert_eq!(
        (&failed["status"], &failed["error"]["message"]),
        (&json!("failed"), &json!("No."))
    );
}

#[tokio::test]
async fn a_script_sees_a_response_request_as_a_chat_request() {
    let (sent, seen) = std::sync::mpsc::channel();
    let server = ScriptedServer::start_with(move |request| {
        sent.send(request.clone()).unwrap();
        ScriptedReply::text("Hello.")
    });
    let server = server.await.unwrap();
    let chat = Request {
        model: "scripted".to_owned(),
        messages: serde_json::from_value(json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Go."},
            {"role": "assistant", "content": "Let me see.", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}},
                {"id": "2", "type": "custom", "custom": {"name": "run", "input": "1 + 1"}},
            ]},
            {"role": "tool", "tool_call_id": "1", "content": "3"},
            {"role": "tool", "tool_call_id": "2", "content": "2"},
        ]))
        .unwrap(),
        tools: serde_json::from_value(json!([
            {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}, "strict": false}},
            {"type": "custom", "custom": {"name": "run", "description": "Runs."}},
        ]))
        .unwrap(),
        ..Request::default()
    };
    let answer = post(
        &server,
        "responses",
        &serde_json::to_value(responses::Request::from(&chat)).unwrap(),
    )
    .await;
    assert!(answer.contains("Hello."), "{answer}");
    let seen = seen.recv().unwrap();
    assert_eq!(
        serde_json::to_value(&seen.messages).unwrap(),
        serde_json::to_value(&chat.messages).unwrap()
    );
    assert_eq!(seen.tools, chat.tools);
}
