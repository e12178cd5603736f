//! Hostile streams.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::chat::{MAX_CALLS, MAX_CHOICES};

/// What an assembler says of chunks that never end.
fn exhausted(chunks: impl Iterator<Item = Value>) -> String {
    let mut assembler = ChatAssembler::new();
    chunks
        .into_iter()
        .find_map(|chunk| assembler.push(chunk).err())
        .unwrap()
        .to_string()
}

#[test]
fn calls_choices_and_bytes_are_bounded() {
    let call =
        |id: usize| pieces(json!([{"id": id, "function": {"name": "add", "arguments": "{}"}}]));
    assert!(exhausted((0..).map(call)).contains(&format!("more than {MAX_CALLS} tool calls")));
    let choice = |index: usize| json!({"choices": [{"index": index, "delta": {}}]});
    assert!(exhausted((0..).map(choice)).contains(&format!("more than {MAX_CHOICES} choices")));

    let long = "x".repeat(1 << 20);
    type Chunk<'a> = &'a dyn Fn(usize) -> Value;
    let chunks: [Chunk<'_>; 7] = [
        &|_| delta(json!({"content": long})),
        &|_| delta(json!({"content": [{"type": "image", "data": long}]})),
        &|_| delta(json!({"refusal": long})),
        &|_| delta(json!({"reasoning_content": long})),
        &|key| delta(json!({key.to_string() + &long: 1})),
        &|key| json!({key.to_string() + &long: 1}),
        &|_| pieces(json!([{"id": "a", "function": {"name": "add", "arguments": long}}])),
    ];
    for chunk in chunks {
        assert!(exhausted((0..200).map(chunk)).contains("67108864 bytes"));
    }
}

#[test]
fn a_value_repeated_in_each_chunk_is_kept_once() {
    let long = "x".repeat(1 << 20);
    let mut assembler = ChatAssembler::new();
    for at in 0..200 {
        let filter = json!({"hate": {"filtered": false, "log": long}});
        let choice = json!({"content_filter_results": filter, "delta": {"channel": long, "n": at}});
        let usage = json!({"total_tokens": at, "log": long});
        assembler
            .push(json!({"timings": {"at": at, "log": long}, "usage": usage, "choices": [choice]}))
            .unwrap();
    }
}

#[test]
fn text_after_the_end_of_a_call_is_reported_once_at_most() {
    let piece = |index: usize, text: &str| {
        pieces(json!([{"index": index, "custom": {"name": "run", "input": text}}]))
    };
    let turns = (0..200).map(|at| piece(at % 2, &at.to_string()));
    let (events, completion) = run(turns.chain([finish("tool_calls")]));
    assert_eq!(complete(&events), [0, 1, 0, 1]);
    check_events(&events, &completion);
}

#[test]
fn a_large_index_allocates_nothing() {
    let piece = |index: u64| {
        pieces(json!([{"index": index, "function": {"name": "add", "arguments": "{}"}}]))
    };
    let (_, completion) = run([piece(u64::MAX), piece(1 << 40), piece(0), finish("stop")]);
    assert_eq!(calls(&completion).len(), 3);
}

/// The shorter time of two, since others use the machine too.
fn time(chunks: &[String]) -> Duration {
    let try_once = || {
        let start = Instant::now();
        let mut assembler = ChatAssembler::new();
        for chunk in chunks {
            assembler.push_bytes(chunk.as_bytes()).unwrap();
        }
        assembler.push_text("[DONE]").unwrap();
        assembler.finish().unwrap();
        start.elapsed()
    };
    (0..2).map(|_| try_once()).min().unwrap()
}

#[test]
fn time_is_linear_in_what_is_fed() {
    let line = |chunk: Value| format!("data: {chunk}\n\n");
    let piece = |index: usize, id: &str, text: &str| {
        line(pieces(
            json!([{"index": index, "id": id, "function": {"name": "add", "arguments": text}}]),
        ))
    };
    let (long, blank) = ("x".repeat(100), " ".repeat(100));
    type Stream<'a> = &'a dyn Fn(usize) -> Vec<String>;
    let streams: [(&str, Stream<'_>); 7] = [
        ("one long text", &|n| {
            (0..n).map(|_| piece(0, "a", &" ".repeat(100))).collect()
        }),
        ("text beyond the end", &|n| {
            (0..n)
                .map(|at| piece(0, "a", if at == 0 { "{}" } else { &long }))
                .collect()
        }),
        ("flushes", &|n| {
            (0..n).map(|_| piece(0, "a", "{}")).collect()
        }),
        ("two calls in turn", &|n| {
            (0..n)
                .map(|at| piece(at % 2, "", if at < 2 { "12" } else { &blank }))
                .collect()
        }),
        ("many calls", &|n| {
            (0..n)
                .map(|at| piece(at % 4000, &(at % 4000).to_string(), "{}"))
                .collect()
        }),
        ("many ends", &|n| {
            let calls = (0..4000)
                .map(|at| piece(at, "", "{"))
                .chain([line(finish("stop"))]);
            calls.chain((0..n).map(|_| line(finish("stop")))).collect()
        }),
        ("byte by byte", &|n| {
            let body = piece(0, "a", &"x".repeat(20 * n));
            body.bytes()
                .map(|byte| char::from(byte).to_string())
                .collect()
        }),
    ];
    for (stream, chunks) in streams {
        let (short, long) = (time(&chunks(500)), time(&chunks(5_000)));
        assert!(
            long < short * 40 + Duration::from_millis(100),
            "{stream}: {short:?} for 500, {long:?} for 5,000"
        );
    }
}

fn anything() -> impl Strategy<Value = Value> {
    let words = prop_oneof![
        Just("index"),
        Just("id"),
        Just("function"),
        Just("name"),
        Just("arguments"),
        Just("custom"),
        Just("input"),
        Just("type"),
        Just("choices"),
        Just("delta"),
        Just("message"),
        Just("tool_calls"),
        Just("content"),
        Just("refusal"),
        Just("text"),
        Just("function_call"),
        Just("finish_reason"),
        Just("usage"),
        Just("{"),
        Just("}"),
        Just("{}"),
        Just("é"),
    ];
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        (-2..3i64).prop_map(Value::from),
        words.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((words.clone().prop_map(str::to_owned), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_chunk_of_any_shape_fails_nothing(chunks in prop::collection::vec((anything(), anything(), anything()), 0..8)) {
        let mut assembler = ChatAssembler::new();
        for (first, second, third) in chunks {
            assembler.push(json!({"choices": [{"delta": {"tool_calls": [first]}}]})).unwrap();
            assembler.push(json!({"choices": [{"delta": second}]})).unwrap();
            assembler.push(third).unwrap();
        }
        assembler.close().unwrap();
        let _ = assembler.finish();
    }

    #[test]
    fn bytes_of_any_kind_are_read_or_refused(bytes in "(data: |\\{|\\}|\n|\r|:|\\[DONE\\]|\"choices\"|\\PC){0,40}", size in 1..9usize) {
        let mut assembler = ChatAssembler::new();
        if bytes.as_bytes().chunks(size).all(|bytes| assembler.push_bytes(bytes).is_ok()) {
            let _ = assembler.finish();
        }
    }
}
