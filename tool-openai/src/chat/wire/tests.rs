use super::*;
use tool_core::serde_json::{Value, from_value, json, to_value};

#[test]
fn unknown_keys_are_sent_back_untouched() {
    let message = json!({
        "role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [{
            "id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "x"}}
        }]
    });
    let read: Message = from_value(message.clone()).unwrap();
    assert_eq!(to_value(read).unwrap(), message);

    let other = json!({"role": "developer", "content": "Be brief."});
    let read: Message = from_value(other.clone()).unwrap();
    assert!(matches!(read, Message::Other(_)));
    assert_eq!(to_value(read).unwrap(), other);
}

#[test]
fn calls_with_missing_fields_are_read() {
    let message: AssistantMessage = from_value(json!({"tool_calls": [
        {"function": {"name": "a", "arguments": {"x": 1}}, "index": 0},
        {"id": null, "type": null, "function": {"name": "b", "arguments": null}},
        {"id": "", "function": {"name": "c"}},
    ]}))
    .unwrap();
    let calls: Vec<_> = message
        .tool_calls
        .iter()
        .map(|call| (call.r#type.as_str(), call.function.arguments.as_str()))
        .collect();
    assert_eq!(
        calls,
        [
            ("function", r#"{"x":1}"#),
            ("function", ""),
            ("function", "")
        ]
    );
    assert_eq!(
        from_value::<AssistantMessage>(json!({"content": "hi", "tool_calls": null}))
            .unwrap()
            .tool_calls,
        []
    );
}

#[test]
fn a_request_leaves_out_what_is_not_set() {
    let request = Request {
        model: "m".into(),
        messages: vec![Message::user("hi")],
        ..Request::default()
    };
    assert_eq!(
        to_value(request).unwrap(),
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    );
}

#[test]
fn an_answer_is_read_whatever_its_usage() {
    for usage in [
        json!(null),
        json!("none"),
        json!({"total_tokens": 1.5}),
        json!({"total_tokens": -1}),
    ] {
        let body = json!({"choices": [{"message": {"content": "Hi."}}], "usage": usage});
        assert_eq!(
            from_value::<Completion>(body).unwrap().usage,
            None,
            "{usage}"
        );
    }
}

#[test]
fn text_is_found_in_parts() {
    let message: AssistantMessage = from_value(
        json!({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
    )
    .unwrap();
    assert_eq!(message.text(), "ab");
}

#[test]
fn an_answer_split_over_choices_is_merged() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "get", "arguments": "{}"}});
    let choice = |index: u8, content: Value, calls: Value| json!({"index": index, "message": {"content": content, "tool_calls": calls, "key": index}, "finish_reason": "tool_calls"});
    let answer = json!({"choices": [
        choice(0, json!("I'll look."), json!(null)),
        choice(1, json!(null), json!([call("a")])),
        choice(2, json!("No text of these."), json!([call("b")])),
    ]});
    let choice = from_value::<Completion>(answer)
        .unwrap()
        .into_choice()
        .unwrap();
    let ids: Vec<_> = choice
        .message
        .tool_calls
        .iter()
        .map(|call| &*call.id)
        .collect();
    assert_eq!(
        (choice.message.text().as_str(), ids),
        ("I'll look.", vec!["a", "b"])
    );
    assert_eq!(choice.message.extra["key"], 0);
    let none = from_value::<Completion>(json!({"choices": []})).unwrap();
    assert!(none.into_choice().is_none());
}
