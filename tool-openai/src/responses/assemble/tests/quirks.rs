//! What services do otherwise than the specification says.

use super::*;

/// Id, arguments and whether they may run of the calls of a stream.
fn calls_of(events: impl IntoIterator<Item = Value>) -> Vec<(String, String, bool)> {
    let response = read(events).unwrap().1;
    let of = |item: &crate::responses::Item| {
        let call = item.tool_call()?;
        Some((call.id, call.function.arguments, item.is_complete()))
    };
    response.output.iter().filter_map(of).collect()
}

#[test]
fn a_call_keeps_the_id_that_it_began_with() {
    let arguments = "{\"x\":1}";
    let begun = || vec![added(0, call("a", "", "in_progress")), delta(0, arguments)];
    let expected = vec![("a".to_owned(), arguments.to_owned(), true)];
    let whole = |id: &str| call(id, arguments, "completed");
    for end in [
        vec![done(0, whole("a")), completed(json!([whole("b")]))],
        vec![done(0, whole("b")), completed(json!([whole("b")]))],
        vec![done(0, whole("b")), completed(json!([whole("c")]))],
        vec![done(0, whole("b")), completed(json!([]))],
        vec![completed(json!([whole("b")]))],
    ] {
        let events = begun().into_iter().chain(end);
        assert_eq!(calls_of(events), expected);
    }
    // Another call is another one.
    let other = begun().into_iter().chain([
        done(0, whole("a")),
        completed(json!([call("b", "{\"x\":2}", "completed")])),
    ]);
    assert!(read(other).is_err());
}

#[test]
fn a_completed_response_completes_its_calls() {
    let arguments_done = |text: &str| json!({"type": "response.function_call_arguments.done", "output_index": 0, "arguments": text});
    let begun = || added(0, call("a", "", "in_progress"));
    let expected = vec![("a".to_owned(), "{\"x\":1}".to_owned(), true)];
    for events in [
        vec![begun(), arguments_done("{\"x\":1}"), completed(json!([]))],
        vec![
            begun(),
            delta(0, "{\"x\""),
            arguments_done("{\"x\":1}"),
            completed(json!([])),
        ],
        vec![begun(), delta(0, "{\"x\":1}"), completed(json!([]))],
        vec![
            begun(),
            completed(json!([call("a", "{\"x\":1}", "in_progress")])),
        ],
    ] {
        assert_eq!(calls_of(events.clone()), expected, "{events:?}");
    }
    // What was cut stays so.
    let cut = calls_of([begun(), delta(0, "{\"x\""), completed(json!([]))]);
    assert!(!cut[0].2);
    let cut = calls_of([
        begun(),
        completed(json!([call("a", "{\"x\":1}", "incomplete")])),
    ]);
    assert!(!cut[0].2);
}

#[test]
fn joined_events_are_split_and_pings_are_skipped() {
    let events: Vec<String> = stream().iter().map(ToString::to_string).collect();
    let body = format!(
        "data: {}\n\ndata: ping\n\ndata: {}\n\n",
        events[0],
        events[1..].join("\ndata: ")
    );
    let mut assembler = ResponsesAssembler::new();
    assembler.push_bytes(body.as_bytes()).unwrap();
    assert_eq!(assembler.finish().unwrap(), read(stream()).unwrap().1);

    let error = json!({"type": "error", "error": {"type": "upstream_error", "message": "stream_read_error"}});
    let body =
        format!("data: {{\"type\":\"response.completed\",\"response\":{{\"id\ndata: {error}\n\n");
    let error = ResponsesAssembler::new()
        .push_bytes(body.as_bytes())
        .unwrap_err();
    assert!(error.to_string().contains("stream_read_error"), "{error}");
}

#[test]
fn text_without_a_start_event_is_text_and_final_arguments_win() {
    let events = [text(0, "Hel"), text(0, "lo"), completed(json!([]))];
    let response = read(events).unwrap().1;
    assert_eq!(
        response.into_completion().choices[0].message.text(),
        "Hello"
    );
    let last = json!({"type": "response.function_call_arguments.done", "output_index": 0, "arguments": "{\"x\":1}"});
    let calls = calls_of([
        added(0, call("a", "", "in_progress")),
        delta(0, "{}"),
        last,
        completed(json!([])),
    ]);
    assert_eq!(calls[0].1, "{\"x\":1}");
}

#[test]
fn reasoning_keeps_what_belongs_to_its_id() {
    let thought = |id: &str, secret: &str| json!({"type": "reasoning", "id": id, "summary": [], "encrypted_content": secret});
    // Some services write other ids, and other secrets, with each event.
    let last = json!([thought("rs_2", "two"), call("b", "{}", "completed")]);
    let (_, response) = read([
        added(0, thought("rs_0", "")),
        done(0, thought("rs_1", "one")),
        done(1, call("a", "{}", "completed")),
        completed(last),
    ])
    .unwrap();
    let thought = &response.output[0];
    assert!(
        [("rs_1", "one"), ("rs_2", "two")]
            .contains(&(thought.str("id"), thought.str("encrypted_content"))),
        "{thought:?}"
    );
    assert_eq!(response.output[1].str("call_id"), "a");
}
