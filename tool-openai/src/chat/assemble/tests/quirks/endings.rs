//! When a call is complete, and when a message is over.

use super::*;

#[test]
fn quirk_14_the_first_finish_reason_is_kept_and_reading_continues() {
    let (_, completion) = run([
        delta(json!({"content": "Hi"})),
        json!({"choices": [{"delta": {}, "finish_reason": "stop", "native_finish_reason": "completed"}]}),
        json!({"choices": [{"delta": {"content": "!"}, "finish_reason": "tool_calls", "native_finish_reason": "other"}]}),
        json!({"choices": [], "usage": {"total_tokens": 9}}),
    ]);
    let choice = &completion.choices[0];
    assert_eq!(choice.finish_reason.as_deref(), Some("stop"));
    assert_eq!(choice.extra["native_finish_reason"], "completed");
    assert_eq!(choice.message.text(), "Hi!");
    assert_eq!(completion.usage.unwrap().total_tokens, 9);
}

#[test]
fn quirk_15_calls_are_there_whatever_the_reason_to_finish() {
    for reason in ["stop", "", "end_turn"] {
        mean(
            [
                pieces(json!([{"id": "a", "function": {"name": "add", "arguments": "{}"}}])),
                finish(reason),
            ],
            &[("a", "add", "{}")],
        );
    }
    let (_, completion) = run([delta(json!({"content": "Hi"})), finish("tool_calls")]);
    assert_eq!(calls(&completion), []);
}

#[test]
fn quirk_17_missing_arguments_are_complete_unless_truncated() {
    let call = |id: &str| pieces(json!([{"id": id, "function": {"name": "get", "arguments": ""}}]));
    let null = pieces(json!([{"id": "a", "function": {"name": "get", "arguments": " null"}}]));
    assert!(complete(&run([null, finish("length")]).0).is_empty());
    mean(
        [call("a"), call("b"), finish("tool_calls")],
        &[("a", "get", ""), ("b", "get", "")],
    );
    for native in ["length", "content_filter", "MAX_TOKENS"] {
        let cut = json!({"choices": [{"delta": {}, "finish_reason": "tool_calls", "native_finish_reason": native}]});
        for cut in [finish(native), cut] {
            let (events, completion) = run([call("a"), call("b"), cut]);
            assert_eq!(complete(&events), [0]);
            assert_eq!(calls(&completion).len(), 2);
        }
    }
}

#[test]
fn quirk_16_and_23_a_cut_call_is_never_complete() {
    for text in ["{\"a\":", "{\"a\":\"}", "nul"] {
        let (events, completion) = run([
            pieces(json!([{"id": "a", "function": {"name": "add", "arguments": text}}])),
            finish("tool_calls"),
        ]);
        assert!(complete(&events).is_empty());
        assert_eq!(calls(&completion), [("a", "add", text)]);
    }
}

#[test]
fn quirk_18_arguments_are_the_word_null() {
    let (events, completion) = run([
        pieces(json!([{"id": "a", "function": {"name": "get", "arguments": "null"}}])),
        finish("stop"),
    ]);
    assert_eq!(complete(&events), [0]);
    assert_eq!(calls(&completion), [("a", "get", "null")]);
}

#[test]
fn quirk_19_and_20_arguments_are_missing_or_an_object() {
    mean(
        [
            pieces(
                json!([{"id": "a", "function": {"name": "get"}}, {"id": "b", "function": {"name": "get", "arguments": null}}]),
            ),
            pieces(json!([{"id": "c", "function": {"name": "add", "arguments": {"a": [1]}}}])),
            finish("tool_calls"),
        ],
        &[
            ("a", "get", ""),
            ("b", "get", ""),
            ("c", "add", "{\"a\":[1]}"),
        ],
    );
}

#[test]
fn quirk_21_a_repeated_flush_and_a_placeholder_are_ignored() {
    let flush = pieces(
        json!([{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{\"a\":1}"}}]),
    );
    mean(
        [flush.clone(), flush.clone(), finish("tool_calls"), flush],
        &[("a", "add", "{\"a\":1}")],
    );
    mean(
        [
            pieces(
                json!([{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{}"}}]),
            ),
            pieces(json!([{"index": 0, "function": {"arguments": "{\"a\":"}}])),
            pieces(json!([{"index": 0, "function": {"arguments": "1}"}}])),
            finish("tool_calls"),
        ],
        &[("a", "add", "{\"a\":1}")],
    );
}

#[test]
fn quirk_21_a_late_flush_ends_no_other_call() {
    let (events, completion) = run([
        pieces(
            json!([{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{\"a\":1}"}}]),
        ),
        pieces(json!([{"index": 1, "id": "b", "function": {"name": "get", "arguments": ""}}])),
        pieces(
            json!([{"index": 0, "id": "a", "function": {"name": "add", "arguments": " {\"a\":1}\n"}}]),
        ),
        pieces(json!([{"index": 1, "function": {"arguments": "{}"}}])),
        finish("tool_calls"),
    ]);
    assert_eq!(complete(&events), [0, 1]);
    assert_eq!(
        calls(&completion),
        [("a", "add", "{\"a\":1}"), ("b", "get", "{}")]
    );
    check_events(&events, &completion);
}

#[test]
fn quirk_21_text_after_the_end_reopens_the_call() {
    let (events, completion) = run([
        pieces(json!([{"index": 0, "id": "a", "function": {"name": "add", "arguments": "{}"}}])),
        pieces(json!([{"index": 1, "id": "b", "function": {"name": "get", "arguments": "{}"}}])),
        pieces(json!([{"index": 0, "function": {"arguments": "\n"}}])),
        pieces(json!([{"index": 0, "function": {"arguments": "}"}}])),
        finish("tool_calls"),
    ]);
    assert_eq!(complete(&events), [0, 1]);
    assert!(events.contains(&ModelEvent::ToolCallReopened { position: 0 }));
    assert_eq!(
        calls(&completion),
        [("a", "add", "{}}"), ("b", "get", "{}")]
    );
}
