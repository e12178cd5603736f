//! Answers that came whole, beside the same as a stream.

use proptest::prelude::*;

use super::*;
use crate::chat::assemble::read;

/// An error of the service, at any position.
fn failed_answers(message: &str) -> Vec<Value> {
    let whole_message = json!({"role": "assistant", "content": "Half an ans"});
    let choice = |rest: Value| {
        let mut choice = json!({"index": 0, "message": whole_message});
        choice
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        json!({"choices": [choice]})
    };
    let error = json!({"code": 502, "message": message});
    vec![
        choice(json!({"error": error, "finish_reason": "error"})),
        choice(json!({"error": error})),
        json!({"error": error, "choices": [{"message": whole_message}]}),
        json!({"error": error, "choices": []}),
        json!({"error": error, "choices": null}),
        json!([{"error": error}]),
        json!({"object": "error", "code": 502, "message": message}),
        json!({"object": "error", "code": 502, "message": message, "choices": []}),
        json!({"detail": message, "error_code": 502}),
        json!({"error_message": message, "error_code": 502, "choices": null}),
    ]
}

fn as_chunk(mut answer: Value) -> Value {
    if let Some(choice) = answer
        .get_mut("choices")
        .and_then(|choices| choices.get_mut(0))
    {
        choice["delta"] = choice["message"].take();
    }
    answer
}

#[test]
fn an_error_ends_the_answer_at_any_position() {
    let before = || delta(json!({"role": "assistant", "content": "Well, "}));
    for answer in failed_answers("Upstream idle timeout exceeded") {
        let outcomes = [
            read(answer.clone()).unwrap_err(),
            failure([as_chunk(answer.clone())]),
            failure([before(), as_chunk(answer.clone())]),
        ];
        for error in outcomes {
            assert!(
                matches!(&error, ModelError::StreamError { code: Some(code), message, .. }
                    if code == "502" && message == "Upstream idle timeout exceeded"),
                "{answer}: {error:?}"
            );
        }
    }
}

#[test]
fn a_finish_reason_that_means_failure_is_an_error() {
    for (finish, native) in [
        ("error", json!(null)),
        ("stop", json!("MALFORMED_FUNCTION_CALL")),
        ("tool_calls", json!("error")),
    ] {
        let answer = json!({"choices": [{
            "message": {"content": "Half an ans"}, "finish_reason": finish, "native_finish_reason": native,
        }]});
        for error in [
            read(answer.clone()).unwrap_err(),
            failure([as_chunk(answer)]),
        ] {
            assert!(
                error.to_string().contains("the answer ended with"),
                "{error}"
            );
        }
    }
}

#[test]
fn calls_of_a_message_at_the_end_of_a_stream_are_calls() {
    let call =
        json!({"id": "a", "type": "function", "function": {"name": "get", "arguments": "{}"}});
    let whole_message = |message: Value| json!({"choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}]});
    let text = || delta(json!({"role": "assistant", "content": "Let me check."}));
    let last = || {
        whole_message(
            json!({"role": "assistant", "content": "Let me check.", "tool_calls": [call]}),
        )
    };
    let (_, completion) = run([text(), last()]);
    assert_eq!(calls(&completion), [("a", "get", "{}")]);
    assert_eq!(completion.choices[0].message.text(), "Let me check.");
    // Reported parts are not reported again.
    let (_, completion) = run([text(), pieces(json!([call])), last()]);
    assert_eq!(calls(&completion), [("a", "get", "{}")]);
    assert_eq!(completion.choices[0].message.text(), "Let me check.");
}

fn odd() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(false),
        json!(7),
        json!(""),
        json!("x"),
        json!([]),
        json!([null]),
        json!({}),
        json!({"a": 1}),
    ])
}

/// A value that is as it should be, or anything.
fn mostly(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop_oneof![3 => value.prop_map(Some), 1 => odd().prop_map(Some), 1 => Just(None)]
        .prop_map(|value| value.unwrap_or(Value::Null))
}

fn object_of(members: Vec<(&'static str, Value)>) -> Value {
    Value::Object(
        members
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

fn any_message() -> impl Strategy<Value = Value> {
    let function = (mostly(Just(json!("add"))), mostly(Just(json!("{\"a\":1}"))))
        .prop_map(|(name, arguments)| object_of(vec![("name", name), ("arguments", arguments)]));
    let call = (
        mostly((0..9_u8).prop_map(|id| json!(format!("id{id}")))),
        mostly(Just(json!("function"))),
        mostly(function),
        odd(),
    )
        .prop_map(|(id, kind, function, custom)| {
            object_of(vec![
                ("id", id),
                ("type", kind),
                ("function", function),
                ("custom", custom),
            ])
        });
    let calls = prop::collection::vec(mostly(call), 0..2).prop_map(Value::from);
    (
        mostly(Just(json!("Hello"))),
        mostly(calls),
        odd(),
        mostly(Just(json!("No.")).boxed()),
        odd(),
    )
        .prop_map(|(content, calls, function_call, refusal, other)| {
            object_of(vec![
                ("content", content),
                ("tool_calls", calls),
                ("function_call", function_call),
                ("refusal", refusal),
                ("other", other),
            ])
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_whole_answer_tolerates_what_a_stream_tolerates(message in mostly(any_message()), finish in mostly(Just(json!("stop")))) {
        let answer = json!({"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": finish}]});
        let mut assembler = ChatAssembler::new();
        assembler.push(as_chunk(answer.clone())).unwrap();
        assembler.push_text("[DONE]").unwrap();
        prop_assert_eq!(read(answer).unwrap(), assembler.finish().unwrap());
    }
}

/// A body, as one stream and as one answer.
fn bodies(content: &str, arguments: &str) -> [Vec<u8>; 2] {
    let whole_message = format!(
        r#"{{"content":"{content}","tool_calls":[{{"index":0,"id":"a","function":{{"name":"get","arguments":"{arguments}"}}}},{{"index":1,"id":"b","function":{{"name":"get","arguments":"{{}}"}}}}]}}"#
    );
    let logprobs = r#""logprobs":{"content":[{"token":"Hi","logprob":NaN,"top":[-Infinity]}]}"#;
    let chunk =
        format!(r#"{{"choices":[{{"delta":{whole_message},{logprobs},"finish_reason":"stop"}}]}}"#);
    let whole = format!(
        r#"{{"choices":[{{"message":{whole_message},{logprobs},"finish_reason":"stop"}}]}}"#
    );
    [
        format!("data: {chunk}\n\ndata: [DONE]\n\n").into(),
        whole.into(),
    ]
}

#[test]
fn an_invalid_character_affects_nothing_else() {
    let bad_byte = |body: Vec<u8>| {
        let mut body = body;
        while let Some(at) = body.windows(3).position(|bytes| bytes == b"BAD") {
            body.splice(at..at + 3, [0xff]);
        }
        body
    };
    for bad in ["\\ud83c", "BAD"] {
        let arguments = format!("{{\\\"a\\\":\\\"{bad}\\\"}}");
        let [stream, whole] = bodies(&format!("Hi {bad}!"), &arguments).map(bad_byte);
        let mut assembler = ChatAssembler::new();
        assembler.push_bytes(&stream).unwrap();
        let streamed = assembler.finish().unwrap();
        let mut completions = vec![streamed];
        if cfg!(feature = "http") {
            completions.push(read(crate::json::read_bytes(&whole).unwrap()).unwrap());
        }
        for completion in completions {
            assert_eq!(completion.choices[0].message.text(), "Hi \u{fffd}!");
            let (ids, arguments): (Vec<_>, Vec<_>) = calls(&completion)
                .into_iter()
                .map(|(id, _, text)| (id, text))
                .unzip();
            assert_eq!((ids, arguments[1]), (vec!["a", "b"], "{}"));
            assert!(tool_core::serde_json::from_str::<Value>(arguments[0]).is_err());
        }
    }
}

#[test]
fn a_whole_message_adds_what_the_deltas_lack() {
    let call = |id: &str, arguments: &str| json!({"id": id, "function": {"name": "get", "arguments": arguments}});
    let whole_message = |message: Value| json!({"choices": [{"index": 0, "delta": {}, "message": message, "finish_reason": "tool_calls"}]});
    for (chunks, expected) in [
        (
            vec![whole_message(json!({"tool_calls": [call("a", "{}")]}))],
            vec![("a", "get", "{}")],
        ),
        (
            vec![
                pieces(json!([call("a", "")])),
                whole_message(json!({"tool_calls": [call("a", "{\"x\":1}")]})),
            ],
            vec![("a", "get", "{\"x\":1}")],
        ),
        (
            vec![
                pieces(json!([call("a", "{}")])),
                whole_message(json!({"tool_calls": [call("a", "{}"), call("b", "{}")]})),
            ],
            vec![("a", "get", "{}"), ("b", "get", "{}")],
        ),
    ] {
        assert_eq!(calls(&run(chunks).1), expected);
    }
    let (_, completion) = run([
        delta(json!({"content": ""})),
        whole_message(json!({"content": "Hello"})),
    ]);
    assert_eq!(completion.choices[0].message.text(), "Hello");
    let text = |text: &str| json!({"choices": [{"index": 0, "text": text}]});
    let (_, completion) = run([text("Hel"), text("lo"), finish("stop")]);
    assert_eq!(completion.choices[0].message.text(), "Hello");
}

#[test]
fn objects_of_one_id_in_one_list_are_calls() {
    let call =
        |arguments: Value| json!({"id": "f", "function": {"name": "get", "arguments": arguments}});
    let two = json!([call(json!({"a": 1})), call(json!({"b": 2}))]);
    let (_, streamed) = run([pieces(two.clone()), finish("tool_calls")]);
    let whole = read(json!({"choices": [{"message": {"tool_calls": two}}]})).unwrap();
    for completion in [streamed, whole] {
        let arguments: Vec<_> = calls(&completion)
            .into_iter()
            .map(|(_, _, text)| text)
            .collect();
        assert_eq!(arguments, ["{\"a\":1}", "{\"b\":2}"]);
    }
}

#[test]
fn repeated_choice_indices_and_early_usage_are_accepted() {
    let choice = |id: &str| json!({"index": 0, "message": {"tool_calls": [{"id": id, "function": {"name": "get", "arguments": "{}"}}]}});
    let whole = read(json!({"choices": [choice("a"), choice("b")]})).unwrap();
    assert_eq!(whole.into_choice().unwrap().message.tool_calls.len(), 2);

    let usage = json!({"choices": [], "usage": {"prompt_tokens": 9}});
    let mut assembler = ChatAssembler::new();
    for chunk in [usage, delta(json!({"content": "Half"}))] {
        assembler.push(chunk).unwrap();
    }
    assert!(matches!(
        assembler.finish(),
        Err(ModelError::Interrupted { .. })
    ));
}

#[test]
fn a_truncated_choice_truncates_the_answer() {
    let answer = json!({"choices": [
        {"index": 0, "message": {"content": "Let me"}, "finish_reason": "stop"},
        {"index": 1, "message": {"tool_calls": [{"id": "a", "function": {"name": "get", "arguments": ""}}]}, "finish_reason": "length"},
    ]});
    let choice = read(answer).unwrap().into_choice().unwrap();
    assert!(choice.is_cut() && choice.message.tool_calls.len() == 1);
}
