use super::*;
use tool_core::serde_json::{from_value, json, to_value};

fn refusal(message: &str) -> ModelError {
    ModelError::Status {
        status: 400,
        code: None,
        message: message.to_owned(),
        request_id: None,
    }
}

fn repaired(request: &mut impl Request, message: &str) -> Vec<String> {
    let parts = refused_parts(&refusal(message), request);
    let repairs = request.leave_out(&parts);
    repairs.iter().map(ToString::to_string).collect()
}

fn chat() -> chat::Request {
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}, "extra_content": {"s": 1}});
    from_value(json!({"model": "m", "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": null, "tool_calls": [call], "reasoning_content": "r", "reasoning": "r"},
        {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
        {"role": "user", "content": "thanks"},
    ]}))
    .unwrap()
}

#[test]
fn a_key_named_by_an_error_is_removed() {
    for (message, expected) in [
        (
            "property 'reasoning_content' is unsupported",
            &["key `reasoning_content` left out"][..],
        ),
        (
            "messages.1.reasoning: Extra inputs are not permitted",
            &["key `reasoning` left out"],
        ),
        (
            "Unknown parameter: 'messages[1].tool_calls[0].extra_content'.",
            &["key `extra_content` left out"],
        ),
        (
            "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.",
            &["ids of calls replaced"],
        ),
        (
            "Invalid 'messages[1].tool_calls[0].id': string too long.",
            &["ids of calls replaced"],
        ),
        (
            "Invalid `signature` in `thinking` block",
            &["encrypted reasoning left out"],
        ),
        (
            "Unexpected role 'user' after role 'tool'",
            &["an assistant message inserted between results and the user"],
        ),
        (
            "body.messages.1.assistant.reasoning_content: Extra inputs are not permitted",
            &["key `reasoning_content` left out"],
        ),
        (
            "reasoning is not supported with extra_content of 2 items",
            &["key `extra_content` left out"],
        ),
        (
            "Invalid 'messages[1].tool_calls[0].function.name': string does not match pattern",
            &[],
        ),
        (
            "Function call is missing a thought_signature. Additional data: extra_content",
            &[],
        ),
        ("reasoning_content is missing in message 1", &[]),
        (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.",
            &[],
        ),
        ("Function call is missing a thought_signature", &[]),
    ] {
        let request = chat();
        let mut asking = Asking::new(&request, Pace::Whole, true);
        assert_eq!(repaired(&mut asking, message), expected, "{message}");
    }
    let request = chat();
    let mut request = Asking::new(&request, Pace::Whole, true);
    repaired(
        &mut request,
        "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.",
    );
    let messages = to_value(&request.request.messages).unwrap();
    let id = &messages[1]["tool_calls"][0]["id"];
    assert_eq!(
        (id.as_str().unwrap().len(), &messages[2]["tool_call_id"]),
        (9, id)
    );
}

#[test]
fn items_are_resent_without_refused_keys() {
    let request = || -> responses::Request {
        from_value(json!({"model": "m", "input": [
            {"type": "message", "role": "user", "content": "hi"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
            {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "now", "arguments": "{}", "namespace": "n"},
            {"type": "function_call_output", "call_id": "a", "output": "noon"},
        ]}))
        .unwrap()
    };
    for (message, expected, ids) in [
        (
            "The encrypted content for item rs_1 could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
            "encrypted reasoning left out",
            0,
        ),
        (
            "Invalid 'input[2].id': string too long.",
            "key `id` left out",
            0,
        ),
        (
            "Unknown parameter: 'input[2].namespace'.",
            "key `namespace` left out",
            2,
        ),
    ] {
        let mut request = request();
        assert_eq!(repaired(&mut request, message), [expected]);
        let left = request
            .input
            .iter()
            .filter(|item| item.0.contains_key("id"));
        assert_eq!(left.count(), ids, "{message}");
        let ids = request
            .input
            .iter()
            .filter_map(|item| item.0.get("call_id"));
        let ids: HashSet<_> = ids.map(Value::to_string).collect();
        assert_eq!(ids.len(), 1, "call and output");
    }
    let other = "Unsupported parameter: 'temperature' is not supported. (request id: 2024)";
    assert_eq!(repaired(&mut request(), other), [""; 0]);
    // Other items are encrypted, too.
    let compaction = json!({"model": "m", "input": [{"type": "compaction", "id": "c", "encrypted_content": "x"}]});
    let mut compaction: responses::Request = from_value(compaction).unwrap();
    assert!(
        repaired(
            &mut compaction,
            "The encrypted content could not be verified"
        )
        .is_empty()
    );
}
