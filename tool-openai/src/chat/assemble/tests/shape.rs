//! The other parts of a message.

use super::*;

#[test]
fn names_may_come_in_pieces_if_the_tools_are_known() {
    let piece = |name: &str, text: &str| {
        pieces(json!([{"index": 0, "function": {"name": name, "arguments": text}}]))
    };
    mean(
        [piece("get_", ""), piece("weather", "{}"), finish("stop")],
        &[("", "get_weather", "{}")],
    );
    mean(
        [
            piece("get_", ""),
            piece("get_weather", "{}"),
            finish("stop"),
        ],
        &[("", "get_weather", "{}")],
    );
    mean(
        [piece("add", ""), piece("get", "{}"), finish("stop")],
        &[("", "add", ""), ("", "get", "{}")],
    );
}

#[test]
fn unknown_keys_are_kept_where_they_were() {
    let (_, completion) = run([
        json!({"id": "c", "object": "chat.completion.chunk", "model": "m", "provider": "p", "obfuscation": "xyz", "choices": [
            {"index": 0, "delta": {"role": "assistant", "reasoning_content": "I ", "audio": {"id": "x"}}, "logprobs": {"content": [1]}}]}),
        delta(json!({"reasoning_content": "think", "content": null})),
        json!({"model": "", "choices": [{"index": 0, "delta": {"content": "Hi"}, "logprobs": {"content": [2]}}]}),
        pieces(
            json!([{"id": "a", "function": {"name": "add", "arguments": "{"}, "extra_content": {"google": {"thought_signature": "s"}}}]),
        ),
        pieces(
            json!([{"function": {"arguments": "}"}, "extra_content": {"google": {"thought_signature": "s"}}, "none": null}]),
        ),
        finish("tool_calls"),
    ]);
    let expected = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "m", "provider": "p", "usage": null,
        "choices": [{
            "message": {
                "content": "Hi", "reasoning_content": "I think", "audio": {"id": "x"},
                "tool_calls": [{
                    "id": "a", "type": "function", "function": {"name": "add", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "s"}},
                }],
            },
            "index": 0, "finish_reason": "tool_calls", "logprobs": {"content": [1, 2]},
        }],
    });
    assert_eq!(
        tool_core::serde_json::to_value(completion).unwrap(),
        expected
    );
}

#[test]
fn content_may_be_parts() {
    let (events, completion) = run([
        delta(json!({"content": ""})),
        delta(
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]}),
        ),
        delta(
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "m"}]}]}),
        ),
        delta(json!({"content": [{"type": "text", "text": "Hel"}]})),
        delta(json!({"content": "lo"})),
        finish("stop"),
    ]);
    let content = &completion.choices[0].message.content;
    let thinking = json!({"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]});
    assert_eq!(
        *content,
        json!([thinking, {"type": "text", "text": "Hello"}])
    );
    assert_eq!(
        events,
        [
            ModelEvent::Thinking("h".into()),
            ModelEvent::Thinking("m".into()),
            ModelEvent::Text("Hel".into()),
            ModelEvent::Text("lo".into())
        ]
    );
}

#[test]
fn absent_content_stays_absent_and_empty_content_empty() {
    let (_, completion) = run([delta(json!({"content": null})), finish("stop")]);
    assert_eq!(completion.choices[0].message.content, json!(null));
    let (_, completion) = run([delta(json!({"content": ""})), finish("stop")]);
    assert_eq!(completion.choices[0].message.content, json!(""));
}

#[test]
fn a_legacy_call_is_in_the_message_but_in_no_event() {
    let (events, completion) = run([
        delta(json!({"function_call": {"name": "add", "arguments": ""}})),
        delta(json!({"function_call": {"arguments": "{}"}})),
        finish("function_call"),
    ]);
    let call = completion.choices[0]
        .message
        .function_call
        .as_ref()
        .unwrap();
    assert_eq!((call.name.as_str(), call.arguments.as_str()), ("add", "{}"));
    assert_eq!(events, []);
    let (_, completion) = run([delta(json!({"function_call": {}})), finish("stop")]);
    assert_eq!(completion.choices[0].message.function_call, None);
}

#[test]
fn each_choice_is_assembled_alone_and_the_first_is_reported() {
    let chunk = |index: usize, name: &str| {
        json!({"choices": [{"index": index, "delta": {"content": name, "tool_calls": [
            {"index": 0, "id": name, "function": {"name": name, "arguments": "{}"}}]}, "finish_reason": "stop"}]})
    };
    let (_, completion) = run([chunk(usize::MAX, "get"), chunk(0, "add")]);
    assert_eq!(
        completion.choices[0].message.text(),
        "add",
        "the first is that of the events"
    );
    let (events, completion) = run([chunk(1, "get"), chunk(0, "add")]);
    assert!(
        matches!(&events[..], [ModelEvent::Text(text), .., ModelEvent::ToolCallComplete { position: 0, .. }] if text == "add")
    );
    assert_eq!(events.len(), 4);
    let names: Vec<_> = completion
        .choices
        .iter()
        .map(|choice| choice.message.tool_calls[0].function.name.as_str())
        .collect();
    assert_eq!(names, ["add", "get"]);
}

#[test]
fn one_chunk_may_be_the_whole_message() {
    let message = json!({"role": "assistant", "content": "Hi", "tool_calls": [{"id": "a", "function": {"name": "add", "arguments": "{}"}}]});
    let chunk = json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]});
    mean([chunk.clone()], &[("a", "add", "{}")]);
    // At the end of a stream it repeats the message.
    mean([delta(message), chunk], &[("a", "add", "{}")]);
}

#[test]
fn a_broken_stream_is_an_error_with_the_partial_message() {
    let open = pieces(json!([{"id": "a", "function": {"name": "add", "arguments": "{\"a\":"}}]));
    let begun = pieces(json!([{"id": "a", "function": {"name": "add", "arguments": ""}}]));
    let custom = pieces(json!([{"id": "a", "custom": {"name": "run", "input": "rm -r /tmp"}}]));
    for chunk in [open, begun, custom, delta(json!({"content": "Hel"}))] {
        match failure([chunk]) {
            ModelError::Interrupted { partial, .. } => assert_eq!(partial.choices.len(), 1),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(failure([]), ModelError::InvalidResponse { .. }));
}

#[test]
fn without_an_end_calls_are_complete_if_their_arguments_are() {
    let mut assembler = ChatAssembler::new();
    assembler
        .push(pieces(
            json!([{"id": "a", "function": {"name": "add", "arguments": "{}"}}]),
        ))
        .unwrap();
    assert_eq!(complete(&assembler.close().unwrap()), [0]);
    assert_eq!(calls(&assembler.finish().unwrap()), [("a", "add", "{}")]);
}

#[test]
fn without_an_end_a_call_that_may_still_grow_is_incomplete() {
    let open = [
        json!({"function": {"name": "get", "arguments": ""}}),
        json!({"type": "custom", "custom": {"name": "get", "input": "SEL"}}),
    ];
    for open in open {
        let mut assembler = ChatAssembler::new();
        assembler
            .push(pieces(
                json!([{"id": "a", "function": {"name": "add", "arguments": "{}"}}]),
            ))
            .unwrap();
        let mut piece = open;
        piece["id"] = json!("b");
        assert_eq!(
            complete(&assembler.push(pieces(json!([piece]))).unwrap()),
            [0]
        );
        assert!(complete(&assembler.close().unwrap()).is_empty());
        assert!(matches!(
            assembler.finish(),
            Err(ModelError::Interrupted { .. })
        ));
    }
}

#[test]
fn the_last_line_needs_no_end() {
    let mut assembler = ChatAssembler::new();
    let text = format!("data: {}\n\ndata:[DONE]", delta(json!({"content": "Hi"})));
    assembler.push_bytes(text.as_bytes()).unwrap();
    assert!(!assembler.is_done());
    assert_eq!(assembler.finish().unwrap().choices[0].message.text(), "Hi");

    let mut assembler = ChatAssembler::new();
    let text = format!(
        "data: {}\n\ndata: {{\"choices\": [",
        delta(json!({"content": "Hi"}))
    );
    assembler.push_bytes(text.as_bytes()).unwrap();
    assert!(matches!(
        assembler.finish(),
        Err(ModelError::Interrupted { .. })
    ));
}

#[test]
fn nothing_is_read_after_the_end() {
    let mut assembler = ChatAssembler::new();
    assembler.push(delta(json!({"content": "Hi"}))).unwrap();
    assembler.push_text(" [DONE] ").unwrap();
    assert!(assembler.is_done());
    assert_eq!(
        assembler
            .push_bytes(b"event: error\ndata: no\n\ndata: {}}\n\n")
            .unwrap(),
        []
    );
    assert_eq!(assembler.finish().unwrap().choices[0].message.text(), "Hi");
}

#[test]
fn a_body_that_is_not_json_is_an_error() {
    let error = ChatAssembler::new()
        .push_bytes(b"data: {\"choices\": oops}\n\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("not JSON") && error.contains("oops"),
        "{error}"
    );
}

#[test]
fn usage_is_found_at_any_position() {
    let usage = |prompt: u64, completion: u64| json!({"prompt_tokens": prompt, "completion_tokens": completion});
    let text = || delta(json!({"content": "Hello"}));
    let in_choice = |usage: Value| json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage}]});
    let beside = |usage: Value| json!({"choices": [], "usage": usage});
    for chunks in [
        vec![text(), in_choice(usage(19, 13))],
        vec![text(), finish("stop"), beside(usage(19, 13))],
        vec![
            beside(usage(19, 0)),
            text(),
            finish("stop"),
            beside(json!({"completion_tokens": 13})),
        ],
        vec![
            beside(usage(19, 1)),
            text(),
            beside(usage(19, 7)),
            finish("stop"),
            beside(usage(19, 13)),
            beside(json!(null)),
        ],
        vec![
            text(),
            finish("stop"),
            json!({"choices": [], "x_groq": {"usage": usage(19, 13)}}),
        ],
    ] {
        let (_, completion) = run(chunks.clone());
        let usage = completion.usage.unwrap();
        let counts = (
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.total_tokens,
        );
        assert_eq!(counts, (19, 13, 32), "{chunks:?}");
    }
    let details = json!({"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}});
    let (_, completion) = run([text(), beside(details), beside(usage(1, 2)), finish("stop")]);
    assert_eq!(
        completion.usage.unwrap().extra["prompt_tokens_details"]["cached_tokens"],
        1
    );
}

#[test]
fn after_the_chunk_that_only_has_usage_the_answer_is_whole() {
    let end = |chunks: Vec<Value>| {
        let mut assembler = ChatAssembler::new();
        for chunk in chunks {
            assembler.push(chunk).unwrap();
        }
        assembler.finish()
    };
    let text = || delta(json!({"content": "Hello"}));
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3});
    let whole = end(vec![text(), json!({"choices": [], "usage": usage})]).unwrap();
    assert_eq!(
        (
            whole.choices[0].message.text(),
            &whole.choices[0].finish_reason
        ),
        ("Hello".to_owned(), &None)
    );
    let mut with_text = text();
    with_text["usage"] = usage;
    assert!(matches!(
        end(vec![with_text]),
        Err(ModelError::Interrupted { .. })
    ));
    let camel = end(vec![
        text(),
        json!({"choices": [{"delta": {}, "finishReason": "stop"}]}),
    ])
    .unwrap();
    assert_eq!(camel.choices[0].finish_reason.as_deref(), Some("stop"));
}

#[test]
fn non_json_lines_are_skipped_and_joined_chunks_are_split() {
    let chunk = |text: &str| delta(json!({"content": text})).to_string();
    let (one, two, end) = (chunk("Hel"), chunk("lo"), finish("stop").to_string());
    for body in [
        format!(
            "data: ping\n\ndata: {one}\n\nevent: ping\ndata: keep-alive\n\ndata: {two}\n\ndata: {end}\n\n"
        ),
        format!("data: {one}\ndata: {two}\ndata: {end}\n\n"),
        format!("data: {one}\n\ndata: \ndata: {two}\n\ndata: {end}\n\n"),
    ] {
        let mut assembler = ChatAssembler::new();
        assembler.push_bytes(body.as_bytes()).unwrap();
        assert_eq!(
            assembler.finish().unwrap().choices[0].message.text(),
            "Hello",
            "{body}"
        );
    }
}
