use super::*;
use tool_core::serde_json::{from_value, json, to_value};

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
fn calls_are_read_from_servers_that_leave_things_out() {
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
fn an_answer_is_read_whatever_it_says_of_its_costs() {
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
