//! Streams that end early, report failures, or never end.

use super::*;

#[test]
fn a_stream_that_ends_early_is_interrupted() {
    let mut events = stream();
    events.truncate(9);
    let error = read(events).unwrap_err();
    let ModelError::Interrupted { partial, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(
        partial.choices[0].message.tool_calls[0].function.arguments,
        "{\"x\""
    );
    assert!(partial.choices[0].is_cut());
}

#[test]
fn failures_of_every_kind_are_errors() {
    for event in [
        json!({"type": "response.failed", "response": {"status": "failed", "output": [], "error": {"code": "server_error", "message": "Sorry."}}}),
        json!({"type": "error", "code": "server_error", "message": "Sorry.", "param": null}),
        json!({"type": "error", "error": {"code": "server_error", "message": "Sorry."}}),
        json!({"error": {"code": "server_error", "message": "Sorry."}}),
    ] {
        let error = reported([event.clone()]).map(drop).unwrap_err();
        assert!(
            matches!(&error, ModelError::StreamError { code: Some(code), message, .. } if code == "server_error" && message == "Sorry."),
            "{event}: {error:?}"
        );
    }
    assert!(matches!(
        ResponsesAssembler::new().push_bytes(b"event: error\ndata: Sorry.\n\n"),
        Err(ModelError::StreamError { .. })
    ));
    assert!(matches!(
        ResponsesAssembler::new().push_bytes(b"data: {oops\n\n"),
        Err(ModelError::InvalidResponse { .. })
    ));
}

#[test]
fn unknown_events_are_skipped() {
    let strange = [
        json!(null),
        json!([1]),
        json!({}),
        json!({"type": 7, "output_index": "x"}),
        json!({"type": "response.output_item.added"}),
        json!({"type": "response.output_item.done", "item": "x"}),
        delta(99, "x"),
        json!({"type": "response.output_text.delta", "output_index": 0, "delta": {"text": "x"}}),
        json!({"type": "response.something.new", "output_index": 0, "error": null}),
    ];
    assert_eq!(
        read(strange.into_iter().chain(stream())).unwrap(),
        read(stream()).unwrap()
    );
}

#[test]
fn endless_bytes_are_an_error() {
    let mut assembler = ResponsesAssembler::new();
    assembler
        .push(added(0, call("a", "", "in_progress")))
        .unwrap();
    let piece = "x".repeat(MAX_MESSAGE_BYTES / 8);
    assert!((0..7).all(|_| assembler.push(delta(0, &piece)).is_ok()));
    assert!(assembler.push(delta(0, &piece)).is_err());

    let mut assembler = ResponsesAssembler::new();
    let mut reasoning = |index| {
        assembler.push(done(
            index,
            json!({"type": "reasoning", "encrypted_content": piece}),
        ))
    };
    assert!((0..7).all(|index| reasoning(index).is_ok()));
    assert!(reasoning(7).is_err());
}

#[test]
fn endless_items_are_an_error() {
    let mut assembler = ResponsesAssembler::new();
    let mut begin = |index| assembler.push(added(index as u64, json!({"type": "reasoning"})));
    assert!((0..MAX_ITEMS).all(|index| begin(index).is_ok()));
    assert!(begin(MAX_ITEMS).is_err());
}
