//! Quirk 1: several calls wrapped in one.

use super::*;

fn wrapper(uses: Value) -> Value {
    call(
        "w",
        "multi_tool_use.parallel",
        json!({"tool_uses": uses}).to_string(),
    )
}

#[test]
fn quirk_01_a_parallel_wrapper_is_unpacked() {
    let parsed = parse(json!([
        call("a", "now", "{}"),
        wrapper(json!([
            {"recipient_name": "functions.add", "parameters": {"a": 1.50, "b": 12345678901234567890_u64}},
            {"recipient_name": "now"},
        ])),
    ]));
    assert_eq!(
        runs(&parsed),
        [
            ("now", "{}"),
            ("add", r#"{"a":1.5,"b":12345678901234567890}"#),
            ("now", "{}")
        ]
    );
    assert_eq!(ids(&parsed), ["a", "w", "call_000000000001000000000002"]);
    assert!(
        parsed.repairs.contains(&(1, Repair::Unpacked))
            && parsed.repairs.contains(&(2, Repair::Unpacked))
    );
    let names: Vec<_> = parsed
        .message
        .tool_calls
        .iter()
        .map(|call| call.function.name.as_str())
        .collect();
    assert_eq!(names, ["now", "add", "now"]);
}

#[test]
fn quirk_01_numbers_in_a_wrapper_keep_their_digits() {
    let text = r#"{"tool_uses": [{"recipient_name": "functions.add", "parameters": {"n": 123456789012345678901234567890.10}}]}"#;
    for name in [
        "multi_tool_use.parallel",
        "parallel",
        "functions.multi_tool_use.parallel",
    ] {
        assert_eq!(
            runs(&parse(json!([call("w", name, text)]))),
            [("add", r#"{"n": 123456789012345678901234567890.10}"#)]
        );
    }
}

#[test]
fn quirk_01_a_tool_of_that_name_is_called_itself() {
    let text = r#"{"tool_uses": [{"recipient_name": "functions.add", "parameters": {}}]}"#;
    let message = message(json!({"tool_calls": [call("w", "parallel", text)]}));
    assert_eq!(
        runs(&message.parse(&tools(&["parallel", "add"]), 1)),
        [("parallel", text)]
    );
}

#[test]
fn quirk_01_nothing_in_a_wrapper_is_lost() {
    let parsed = parse(wrapped_oddly());
    assert_eq!(parsed.calls.len(), 6);
    assert_eq!(
        codes(&parsed),
        [
            Some(ErrorCode::UnknownTool),
            Some(ErrorCode::UnknownTool),
            Some(ErrorCode::UnknownTool),
            Some(ErrorCode::InvalidJson),
            None,
            Some(ErrorCode::UnknownTool)
        ]
    );
}

fn wrapped_oddly() -> Value {
    json!([wrapper(json!([
        "add",
        ["add", {}],
        {"parameters": {}},
        {"recipient_name": "functions.add", "parameters": "{\"a\": "},
        {"recipient_name": "functions.add", "parameters": "{\"a\": 1}"},
        {"recipient_name": "functions.subtract", "parameters": {}},
    ]))])
}

#[test]
fn quirk_01_nested_wrappers_are_unpacked_to_a_limit() {
    let nest = |depth: usize| {
        let innermost = json!({"recipient_name": "functions.now", "parameters": {}});
        (1..depth).fold(innermost, |inside, _| json!({"recipient_name": "multi_tool_use.parallel", "parameters": {"tool_uses": [inside]}}))
    };
    assert_eq!(
        runs(&parse(json!([wrapper(json!([nest(4), nest(1)]))]))),
        [("now", "{}"), ("now", "{}")]
    );
    for depth in [5, 20, 50] {
        let deep = parse(json!([wrapper(json!([nest(depth)]))]));
        assert_eq!(codes(&deep), [Some(ErrorCode::UnknownTool)], "{depth}");
    }
}

#[test]
fn quirk_01_a_wrapper_over_the_limit_stays_one_call() {
    let many =
        |calls: usize| vec![json!({"recipient_name": "functions.now", "parameters": {}}); calls];
    let wrap = |uses: Vec<Value>| json!({"recipient_name": "multi_tool_use.parallel", "parameters": {"tool_uses": uses}});
    let too_many = wrap([vec![wrap(many(100))], many(60)].concat());
    assert_eq!(
        codes(&parse(json!([wrapper(json!([too_many, many(1)[0]]))]))),
        [Some(ErrorCode::UnknownTool), None]
    );
    assert_eq!(
        parse(json!([wrapper(json!([wrap(many(100)), many(1)[0]]))]))
            .calls
            .len(),
        101
    );
}

#[test]
fn quirk_01_a_similar_looking_call_is_an_unknown_tool() {
    let many: Vec<_> = (0..1_000)
        .map(|_| json!({"recipient_name": "functions.now"}))
        .collect();
    for arguments in [
        json!({}),
        json!({"tool_uses": []}),
        json!({"tool_uses": {}}),
        json!({"tool_uses": many}),
    ] {
        let parsed = parse(json!([call(
            "w",
            "multi_tool_use.parallel",
            arguments.to_string()
        )]));
        assert_eq!(
            codes(&parsed),
            [Some(ErrorCode::UnknownTool)],
            "{arguments}"
        );
        assert_eq!(
            parsed.message.tool_calls[0].function.name,
            "multi_tool_use_parallel"
        );
    }
}
