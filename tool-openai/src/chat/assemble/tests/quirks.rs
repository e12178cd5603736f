//! Quirks of services in streams, numbered as in docs/wire.md.

mod endings;

use super::*;

#[test]
fn calls_in_the_order_of_the_specification() {
    mean(
        [
            delta(json!({"role": "assistant", "content": null})),
            pieces(
                json!([{"index": 0, "id": "call_a", "type": "function", "function": {"name": "add", "arguments": ""}}]),
            ),
            pieces(json!([{"index": 0, "function": {"arguments": "{\"a\":"}}])),
            pieces(json!([{"index": 0, "function": {"arguments": "1}"}}])),
            pieces(
                json!([{"index": 1, "id": "call_b", "type": "function", "function": {"name": "get", "arguments": ""}}]),
            ),
            pieces(json!([{"index": 1, "function": {"arguments": "{}"}}])),
            finish("tool_calls"),
            json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}),
        ],
        &[("call_a", "add", "{\"a\":1}"), ("call_b", "get", "{}")],
    );
}

#[test]
fn quirk_03_index_is_missing() {
    for index in [json!(null), json!([]), json!("")] {
        mean(
            [
                pieces(
                    json!([{"index": index, "id": "a", "function": {"name": "add", "arguments": "{\"a\""}}]),
                ),
                pieces(json!([{"index": index, "function": {"arguments": ":1}"}}])),
                pieces(
                    json!([{"index": index, "id": "b", "function": {"name": "add", "arguments": "{\"a\":2}"}}]),
                ),
                finish("tool_calls"),
            ],
            &[("a", "add", "{\"a\":1}"), ("b", "add", "{\"a\":2}")],
        );
    }
}

#[test]
fn quirk_04_index_is_0_for_every_call() {
    mean(
        [
            pieces(
                json!([{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{}"}}]),
            ),
            pieces(
                json!([{"index": 0, "id": "b", "function": {"name": "add", "arguments": "{}"}}]),
            ),
            pieces(json!([{"index": 0, "id": "c", "function": {"name": "get", "arguments": ""}}])),
            pieces(json!([{"index": 0, "function": {"arguments": "{\"x\":1}"}}])),
            finish("tool_calls"),
        ],
        &[
            ("a", "add", "{}"),
            ("b", "add", "{}"),
            ("c", "get", "{\"x\":1}"),
        ],
    );
}

#[test]
fn quirk_04_without_ids_a_second_object_is_a_second_call() {
    mean(
        [
            pieces(json!([{"index": 0, "function": {"name": "add", "arguments": "{\"a\":1}"}}])),
            pieces(json!([{"index": 0, "function": {"name": "add", "arguments": "{\"a\":2}"}}])),
            pieces(json!([{"index": 0, "function": {"name": "get", "arguments": "{\"a\":2}"}}])),
            finish("tool_calls"),
        ],
        &[
            ("", "add", "{\"a\":1}"),
            ("", "add", "{\"a\":2}"),
            ("", "get", "{\"a\":2}"),
        ],
    );
}

#[test]
fn quirk_05_indices_are_names_not_places() {
    mean(
        [
            pieces(json!([{"index": 1, "id": "a", "function": {"name": "add", "arguments": ""}}])),
            pieces(json!([{"index": 1, "function": {"arguments": "{\"a\":1}"}}])),
            pieces(
                json!([{"index": u64::MAX, "id": "b", "function": {"name": "get", "arguments": "{"}}]),
            ),
            pieces(json!([{"index": u64::MAX, "function": {"arguments": "}"}}])),
            pieces(json!([{"index": -7, "function": {"name": "get", "arguments": "{\"c\":3}"}}])),
            finish("tool_calls"),
        ],
        &[
            ("a", "add", "{\"a\":1}"),
            ("b", "get", "{}"),
            ("", "get", "{\"c\":3}"),
        ],
    );
}

#[test]
fn quirk_06_and_11_empty_ids_and_names_are_ignored() {
    for nothing in [json!(""), json!(null)] {
        mean(
            [
                pieces(
                    json!([{"index": 0, "id": nothing, "function": {"name": "add", "arguments": ""}}]),
                ),
                pieces(
                    json!([{"index": 0, "id": nothing, "function": {"name": nothing, "arguments": "{\"a\":1}"}}]),
                ),
                pieces(
                    json!([{"index": 1, "id": "b", "function": {"name": "get", "arguments": ""}}]),
                ),
                pieces(
                    json!([{"index": 1, "id": nothing, "function": {"name": nothing, "arguments": "{}"}}]),
                ),
                finish("tool_calls"),
            ],
            &[("", "add", "{\"a\":1}"), ("b", "get", "{}")],
        );
    }
}

#[test]
fn quirk_06_an_id_may_come_late() {
    mean(
        [
            pieces(json!([{"index": 0, "function": {"name": "add", "arguments": "{"}}])),
            pieces(json!([{"index": 0, "id": "late", "function": {"arguments": "}"}}])),
            finish("tool_calls"),
        ],
        &[("late", "add", "{}")],
    );
}

#[test]
fn quirk_07_one_id_for_two_calls() {
    let call = |index: Value, text: &str| json!([{"index": index, "id": "add", "function": {"name": "add", "arguments": text}}]);
    for (first, second) in [
        (json!(0), json!(1)),
        (json!(0), json!(0)),
        (json!(null), json!(null)),
    ] {
        mean(
            [
                pieces(call(first, "{\"a\":1}")),
                pieces(call(second, "{\"a\":2}")),
                finish("tool_calls"),
            ],
            &[("add", "add", "{\"a\":1}"), ("add", "add", "{\"a\":2}")],
        );
    }
    // The index distinguishes them also before there are arguments, and where they are the same.
    mean(
        [
            pieces(call(json!(0), "")),
            pieces(call(json!(1), "")),
            pieces(call(json!(2), "")),
            finish("tool_calls"),
        ],
        &[("add", "add", ""), ("add", "add", ""), ("add", "add", "")],
    );
}

#[test]
fn quirk_10_id_and_name_come_with_each_piece() {
    let piece = |text: &str| {
        pieces(
            json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "add", "arguments": text}}]),
        )
    };
    mean(
        [
            piece(""),
            piece("{\"a\":"),
            piece("1}"),
            piece(""),
            piece("{\"a\":1}"),
            finish("tool_calls"),
            piece(" "),
        ],
        &[("a", "add", "{\"a\":1}")],
    );
}

#[test]
fn quirk_10_an_id_is_invented_for_each_piece() {
    mean(
        [
            pieces(json!([{"index": 0, "id": "a", "function": {"name": "add"}}])),
            pieces(json!([{"index": 0, "id": "x", "function": {"arguments": "{\"a\":"}}])),
            pieces(json!([{"index": 0, "id": "y", "function": {"arguments": "1}"}}])),
            finish("tool_calls"),
        ],
        &[("a", "add", "{\"a\":1}")],
    );
}

#[test]
fn quirk_12_a_whole_call_comes_in_the_chunk_that_finishes() {
    let call =
        json!([{"id": "a", "function": {"name": "add", "arguments": "{\"a\":1}"}, "index": 0}]);
    let chunk = json!({"choices": [{"index": 0, "delta": {"content": "", "tool_calls": call}, "finish_reason": "tool_calls"}]});
    let (events, completion) = run([chunk.clone()]);
    assert_eq!(complete(&events), [0]);
    check_events(&events, &completion);
    mean([chunk], &[("a", "add", "{\"a\":1}")]);
}

#[test]
fn quirk_13_several_calls_in_one_delta() {
    mean(
        [
            pieces(json!([
                {"index": 0, "id": "a", "function": {"name": "add", "arguments": "{\"a\":1}"}},
                {"index": 1, "id": "b", "function": {"name": "get", "arguments": "{}"}},
                null, 7, {}, {"index": 2},
                {"id": "c", "function": {"name": "get", "arguments": "{}"}},
            ])),
            finish("tool_calls"),
        ],
        &[
            ("a", "add", "{\"a\":1}"),
            ("b", "get", "{}"),
            ("c", "get", "{}"),
        ],
    );
}

#[test]
fn quirk_24_an_error_within_the_stream_is_the_services_own() {
    let call = pieces(json!([{"id": "a", "function": {"name": "add", "arguments": "{}"}}]));
    let groq = json!({"error": {"message": "Failed to call", "type": "invalid", "code": "tool_use_failed", "failed_generation": "<f>"}});
    let openrouter = json!({"error": {"code": 502, "message": "Upstream"}, "choices": [{"delta": {}, "finish_reason": "error"}]});
    for (chunk, code, words, generation) in [
        (
            groq.clone(),
            Some("tool_use_failed"),
            "Failed to call",
            Some("<f>"),
        ),
        (openrouter, Some("502"), "Upstream", None),
        (json!({"error": "busy"}), None, "busy", None),
    ] {
        match failure([call.clone(), finish("tool_calls"), chunk]) {
            ModelError::StreamError {
                code: found,
                message,
                failed_generation,
                ..
            } => {
                assert_eq!(
                    (
                        found.as_deref(),
                        message.as_str(),
                        failed_generation.as_deref()
                    ),
                    (code, words, generation)
                );
            }
            other => panic!("{other:?}"),
        }
    }
    for (data, words) in [
        (groq.to_string(), "Failed to call"),
        ("{\"message\": \"m\"}".to_owned(), "m"),
        ("too bad".to_owned(), "too bad"),
    ] {
        let error = ChatAssembler::new()
            .push_bytes(format!("event: error\ndata: {data}\n\n").as_bytes())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the service reported an error in its stream: {words}")
        );
    }
    for nothing in [json!(null), json!({}), json!("")] {
        mean(
            [
                json!({"error": nothing, "choices": []}),
                call.clone(),
                finish("stop"),
            ],
            &[("a", "add", "{}")],
        );
    }
}

#[test]
fn quirk_25_empty_chunks_are_skipped() {
    mean(
        [
            json!({"choices": [], "prompt_filter_results": [{"prompt_index": 0}], "id": "", "object": ""}),
            pieces(json!([{"id": "a", "function": {"name": "add", "arguments": "{}"}}])),
            json!({"id": "", "object": "", "choices": [{"index": 0, "content_filter_offsets": {"start": 0}, "finish_reason": null}]}),
            json!({"choices": [null, 3, {"delta": null}, {"delta": "?", "finish_reason": 5}], "usage": "none"}),
            json!({"choices": {}}),
            json!(null),
            json!([1]),
            finish("tool_calls"),
        ],
        &[("a", "add", "{}")],
    );
}

#[test]
fn quirk_27_after_a_refusal_no_call_is_complete() {
    let (events, completion) = run([
        pieces(json!([{"id": "a", "function": {"name": "add", "arguments": "{}"}}])),
        delta(json!({"refusal": "I will "})),
        delta(json!({"refusal": "not."})),
        finish("stop"),
    ]);
    assert!(complete(&events).is_empty());
    assert_eq!(
        completion.choices[0].message.refusal.as_deref(),
        Some("I will not.")
    );
    assert!(events.contains(&ModelEvent::Refusal("not.".into())));
}

#[test]
fn quirk_30_the_same_call_twice_is_two_calls() {
    let call = |id: &str| {
        pieces(
            json!([{"index": 0, "id": id, "function": {"name": "add", "arguments": "{\"a\":1}"}}]),
        )
    };
    mean(
        [call("a"), call("b"), finish("tool_calls")],
        &[("a", "add", "{\"a\":1}"), ("b", "add", "{\"a\":1}")],
    );
}

#[test]
fn quirk_31_custom_tools_take_free_text() {
    let (events, completion) = run([
        pieces(
            json!([{"index": 0, "id": "a", "type": "custom", "custom": {"name": "run", "input": ""}}]),
        ),
        pieces(json!([{"index": 0, "custom": {"input": "{} print("}}])),
        pieces(json!([{"index": 0, "custom": {"input": "{}"}}])),
        pieces(json!([{"index": 0, "custom": {"input": ")"}}])),
        pieces(
            json!([{"index": 1, "id": "b", "custom": {}, "function": {"name": "add", "arguments": "{}"}}]),
        ),
        finish("tool_calls"),
    ]);
    let [run, add] = &completion.choices[0].message.tool_calls[..] else {
        panic!("{completion:?}")
    };
    let custom = run.custom.as_ref().unwrap();
    assert_eq!(
        (
            run.r#type.as_str(),
            custom.name.as_str(),
            custom.input.as_str()
        ),
        ("custom", "run", "{} print({})")
    );
    assert_eq!(
        (add.r#type.as_str(), add.custom.is_none()),
        ("function", true)
    );
    check_events(&events, &completion);
}

#[test]
fn an_index_that_counts_fragments_starts_no_call() {
    for (first, rest) in [
        ("", vec!["{\"items\":", "[\"a\"]", "}"]),
        ("{\"items\":", vec!["[\"a\"]}"]),
        ("", vec!["{}"]),
    ] {
        let piece = |(at, text): (usize, &&str)| {
            pieces(json!([{"index": at + 1, "function": {"arguments": text}}]))
        };
        let opening = pieces(
            json!([{"index": 0, "id": "a", "function": {"name": "note", "arguments": first}}]),
        );
        let second = pieces(
            json!([{"index": 9, "id": "b", "function": {"name": "note", "arguments": "{}"}}]),
        );
        let mut chunks = vec![opening];
        chunks.extend(rest.iter().enumerate().map(piece));
        chunks.extend([second, finish("tool_calls")]);
        let arguments = format!("{first}{}", rest.concat());
        mean(chunks, &[("a", "note", &arguments), ("b", "note", "{}")]);
    }
}

#[test]
fn text_in_place_of_an_answer_is_the_providers_error() {
    let mut assembler = ChatAssembler::new();
    assembler
        .push_bytes(b"data: upstream error: overloaded\n\n")
        .unwrap();
    let error = assembler.finish().unwrap_err();
    assert!(
        matches!(&error, ModelError::StreamError { message, .. } if message == "upstream error: overloaded"),
        "{error}"
    );
}
