mod wrappers;

use super::*;
use crate::chat::{self, Repair};
use tool_core::{Dispatcher, ErrorCode};

/// The code that each call of the message is answered with; `None` where it ran.
fn codes(parsed: &ParsedMessage) -> Vec<Option<ErrorCode>> {
    let results = Dispatcher::new(tools(&["now", "add"])).dispatch_blocking(parsed.calls.clone());
    results
        .iter()
        .map(|result| result.outcome().err().map(|error| error.code()))
        .collect()
}

#[test]
fn quirk_15_calls_are_read_whatever_the_finish_reason() {
    for reason in [None, Some("stop"), Some("tool_calls"), Some("")] {
        let choice = |calls: Value| Choice {
            message: message(json!({"content": "hi", "tool_calls": calls})),
            finish_reason: reason.map(str::to_owned),
            extra: Default::default(),
        };
        assert_eq!(
            choice(json!([call("1", "now", "")]))
                .parse(&tools(&["now"]), 1)
                .calls
                .len(),
            1
        );
        assert_eq!(choice(json!([])).parse(&tools(&["now"]), 1).calls.len(), 0);
    }
}

#[test]
fn quirk_16_a_truncated_call_is_detected() {
    let choice: Choice = from_value(json!({
        "message": {"tool_calls": [call("1", "add", "{\"a\": 1}"), call("2", "add", "")]},
        "finish_reason": "tool_calls", "native_finish_reason": "length",
    }))
    .unwrap();
    assert!(choice.is_cut());
    let parsed = choice.parse(&tools(&["add"]), 1);
    assert_eq!(runs(&parsed), [("add", "{\"a\": 1}"), ("add", "")]);
    assert_eq!(parsed.truncated, [1]);
}

#[test]
fn quirk_17_empty_arguments_are_none() {
    let parsed = parse(json!([call("1", "now", "")]));
    assert_eq!(runs(&parsed), [("now", "{}")]);
    assert_eq!(parsed.repairs, [(0, Repair::NoArguments)]);
    assert_eq!(parsed.message.tool_calls[0].function.arguments, "{}");
}

#[test]
fn quirk_18_null_arguments_are_none() {
    assert_eq!(
        runs(&parse(json!([
            call("1", "now", "null"),
            call("2", "now", Value::Null)
        ]))),
        [("now", "{}"); 2]
    );
}

#[test]
fn quirk_19_absent_arguments_are_none() {
    let parsed = parse(json!([{"id": "1", "type": "function", "function": {"name": "now"}}]));
    assert_eq!(runs(&parsed), [("now", "{}")]);
    assert_eq!(kept(parsed)["tool_calls"][0], call("1", "now", "{}"));
}

#[test]
fn quirk_20_an_object_for_arguments_is_taken() {
    let parsed = parse(json!([
        call("1", "add", json!({"a": 1})),
        call("2", "add", json!([1]))
    ]));
    assert_eq!(runs(&parsed), [("add", r#"{"a":1}"#), ("add", "[1]")]);
    assert_eq!(
        kept(parsed)["tool_calls"],
        json!([call("1", "add", r#"{"a":1}"#), call("2", "add", "{}")])
    );
}

#[test]
fn quirk_21_a_repeated_object_is_one_call_and_two_are_an_error() {
    let calls = json!([
        call("1", "add", r#"{"a":1}{"a":1}"#),
        call("2", "add", r#"{"a":1}{"a":2}"#),
        call("3", "add", r#"{"a":1} or so"#)
    ]);
    let parsed = parse(calls);
    assert_eq!(
        codes(&parsed),
        [
            None,
            Some(ErrorCode::InvalidJson),
            Some(ErrorCode::InvalidJson)
        ]
    );
    assert_eq!(kept(parsed)["tool_calls"][1]["function"]["arguments"], "{}");
}

#[test]
fn quirk_21_two_objects_are_two_calls_if_enabled() {
    let message = message(
        json!({"tool_calls": [call("1", "add", r#"{"a":1}{"a":2}"#), call("2", "now", "{}")]}),
    );
    let tools = tools(&["now", "add"]);
    let parsed = super::super::MessageParser::new(&tools, 1)
        .with_split_calls(true)
        .parse_message(message, false);
    assert_eq!(
        runs(&parsed),
        [("add", r#"{"a":1}"#), ("add", r#"{"a":2}"#), ("now", "{}")]
    );
    assert_eq!(ids(&parsed), ["1", "call_000000000001000000000001", "2"]);
}

#[test]
fn quirk_22_invalid_escapes_and_raw_newlines_are_escaped() {
    let parsed = parse(json!([call(
        "1",
        "add",
        "{\"re\": \"\\d\", \"text\": \"a\nb\", \"path\": \"C:\\temp\"}"
    )]));
    assert_eq!(
        runs(&parsed),
        [(
            "add",
            r#"{"re": "\\d", "text": "a\u000ab", "path": "C:\temp"}"#
        )]
    );
    assert_eq!(
        parsed.repairs,
        [(0, Repair::ControlCharacters), (0, Repair::Escapes)]
    );
}

#[test]
fn nulls_for_absent_parameters_do_not_run_and_stay_in_the_history() {
    let parameters = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"type": ["string", "null"]}},
        "required": ["city"],
    });
    let weather =
        DynamicTool::new("weather", "", parameters, |_| async { Ok::<_, String>(()) }).unwrap();
    let tools = ToolSet::<()>::default().with_tool(weather).unwrap();
    let text = r#"{"city": "Oslo", "days": null, "unit": null}"#;
    let parsed =
        message(json!({"tool_calls": [call("1", "functions.weather", text)]})).parse(&tools, 1);
    let runs: Value = tool_core::serde_json::from_str(&parsed.calls[0].arguments).unwrap();
    assert_eq!(runs, json!({"city": "Oslo", "unit": null}));
    assert_eq!(
        kept(parsed)["tool_calls"],
        json!([call("1", "weather", text)])
    );
}

#[test]
fn quirk_23_a_truncated_call_is_answered_and_not_sent_back() {
    for text in ["", "null", "{\"a\": 1", "{\"a\": \"x", "{\"a\": 1}{\"a\""] {
        let parsed = parse_cut(json!([call("1", "now", "{}"), call("2", "add", text)]));
        assert_eq!(parsed.truncated, [1], "{text}");
        let codes = codes(&parsed);
        assert!(
            codes[0].is_none() && codes[1].is_some(),
            "{text}: {codes:?}"
        );
        assert_eq!(kept(parsed)["tool_calls"][1], call("2", "add", "{}"));
    }
}

#[test]
fn quirk_23_incomplete_arguments_are_always_an_error() {
    let parsed = parse(json!([call("1", "add", "{\"a\": 1")]));
    assert_eq!(codes(&parsed), [Some(ErrorCode::InvalidJson)]);
    assert_eq!(parsed.truncated, [] as [usize; 0]);
}

#[test]
fn quirk_26_text_beside_calls_stays_in_the_message() {
    for (content, expected) in [
        (json!("Let me see."), json!("Let me see.")),
        (json!(""), Value::Null),
        (Value::Null, Value::Null),
    ] {
        let parsed = message(json!({"content": content, "tool_calls": [call("1", "now", "{}")]}))
            .parse(&tools(&["now"]), 1);
        assert_eq!(
            kept(parsed),
            json!({"role": "assistant", "content": expected, "tool_calls": [call("1", "now", "{}")]})
        );
    }
}

#[test]
fn quirk_27_with_a_refusal_nothing_runs() {
    let message = message(
        json!({"refusal": "I can't.", "tool_calls": [call("1", "now", "{}")], "function_call": {"name": "now"}}),
    );
    let parsed = message.parse(&tools(&["now"]), 1);
    assert_eq!(parsed.calls, []);
    assert_eq!(
        kept(parsed),
        json!({"role": "assistant", "content": [{"type": "refusal", "refusal": "I can't."}]})
    );
}

#[test]
fn quirk_28_an_unknown_name_is_answered_and_sent_back_valid() {
    let parsed = parse(json!([
        call("1", "add.numbers", "{}"),
        call("2", "", "{}"),
        call("3", &"é".repeat(80), "{}")
    ]));
    assert_eq!(codes(&parsed), [Some(ErrorCode::UnknownTool); 3]);
    assert_eq!(parsed.calls[0].name, "add.numbers");
    let names: Vec<_> = parsed
        .message
        .tool_calls
        .iter()
        .map(|call| call.function.name.clone())
        .collect();
    assert_eq!(
        names,
        ["add_numbers".to_owned(), "_".to_owned(), "_".repeat(64)]
    );
}

#[test]
fn quirk_29_all_calls_of_a_message_are_read() {
    let calls: Vec<_> = (0..50).map(|n| call(&n.to_string(), "now", "{}")).collect();
    assert_eq!(parse(json!(calls)).calls.len(), 50);
}

#[test]
fn quirk_30_the_same_call_twice_is_two_calls() {
    let parsed = parse(json!([call("1", "now", "{}"), call("2", "now", "{}")]));
    assert_eq!(
        (runs(&parsed), ids(&parsed)),
        (vec![("now", "{}"); 2], vec!["1", "2"])
    );
}

#[test]
fn quirk_31_a_custom_call_runs_with_its_text_and_stays_custom() {
    let parameters = json!({"type": "object", "properties": {"code": {"type": ["string", "null"]}, "limit": {"type": "integer"}}});
    let run = DynamicTool::new("run", "", parameters, |_| async { Ok::<_, String>(()) }).unwrap();
    let tools = tools(&["now"]).with_tool(run).unwrap();
    let calls = json!([
        {"id": "1", "type": "custom", "custom": {"name": "run", "input": "say \"hi\"\n"}},
        {"id": "2", "type": "custom", "custom": {"name": "now", "input": ""}, "function": {"name": "", "arguments": ""}},
    ]);
    let parsed = message(json!({"tool_calls": calls})).parse(&tools, 1);
    assert_eq!(
        runs(&parsed),
        [
            ("run", r#"{"code":"say \"hi\"\n"}"#),
            ("now", r#"{"input":""}"#)
        ]
    );
    assert_eq!(kept(parsed)["tool_calls"][0], calls[0]);
}

#[test]
fn quirk_31_text_goes_to_the_offered_parameter() {
    let parameters = json!({"type": "object", "properties": {"sql": {"$ref": "#/$defs/Sql"}}, "required": ["sql"],
        "$defs": {"Sql": {"type": "string"}}});
    let query =
        DynamicTool::new("query", "", parameters, |_| async { Ok::<_, String>(()) }).unwrap();
    let tools = ToolSet::default().with_tool(query).unwrap();
    assert!(chat::custom(tools.definition("query").unwrap(), &chat::TextFormat::Text).is_ok());
    let call =
        json!({"id": "1", "type": "custom", "custom": {"name": "query", "input": "SELECT 1"}});
    let parsed = message(json!({ "tool_calls": [call] })).parse(&tools, 1);
    assert_eq!(runs(&parsed), [("query", r#"{"sql":"SELECT 1"}"#)]);
}

#[test]
fn quirk_31_a_custom_call_that_may_have_been_cut_does_not_run() {
    let custom =
        |id: &str| json!({"id": id, "type": "custom", "custom": {"name": "add", "input": "1 + "}});
    let parsed = parse_cut(json!([custom("1"), custom("2")]));
    assert_eq!(parsed.truncated, [1]);
    assert_eq!(codes(&parsed), [None, Some(ErrorCode::InvalidJson)]);
    assert_eq!(kept(parsed)["tool_calls"][1]["custom"]["input"], "");
}

#[test]
fn quirk_31_the_type_decides_for_an_ambiguous_call() {
    let both = |kind: &str| {
        let function = json!({"name": "now", "arguments": "{}"});
        json!([{"id": "1", "type": kind, "function": function, "custom": {"name": "add", "input": "1"}}])
    };
    let (function, custom) = (parse(both("function")), parse(both("custom")));
    for (kind, parsed) in [("function", &function), ("custom", &custom)] {
        let unparsed = message(json!({"content": null, "tool_calls": both(kind)}));
        assert_eq!(
            to_value(unparsed.into_message()).unwrap(),
            kept(parsed.clone())
        );
    }
    assert_eq!(
        (runs(&function), runs(&custom)),
        (vec![("now", "{}")], vec![("add", r#"{"input":"1"}"#)])
    );
    assert_eq!(
        kept(function)["tool_calls"],
        json!([call("1", "now", "{}")])
    );
    assert_eq!(
        kept(custom)["tool_calls"],
        json!([{"id": "1", "type": "custom", "custom": {"name": "add", "input": "1"}}])
    );
}

#[test]
fn a_function_call_beside_tool_calls_is_ignored() {
    let message = message(
        json!({"function_call": {"name": "add", "arguments": "{}"}, "tool_calls": [call("1", "now", "{}")]}),
    );
    let parsed = message.parse(&tools(&["now", "add"]), 1);
    assert_eq!(runs(&parsed), [("now", "{}")]);
    assert_eq!(parsed.message.function_call, None);
}

#[test]
fn empty_objects_beside_a_call_are_ignored() {
    let beside = json!({"id": "1", "type": "function", "function": {"name": "now", "arguments": "{}"}, "custom": {"name": "", "input": ""}});
    let message =
        message(json!({"function_call": {"name": "", "arguments": ""}, "tool_calls": [beside]}));
    let parsed = message.parse(&tools(&["now"]), 1);
    assert_eq!(runs(&parsed), [("now", "{}")]);
    assert_eq!(
        kept(parsed),
        json!({"role": "assistant", "content": null, "tool_calls": [call("1", "now", "{}")]})
    );
}

#[test]
fn a_call_without_tool_calls_is_answered_by_name() {
    let message = message(
        json!({"content": null, "function_call": {"name": "functions.add", "arguments": "{\"a\": 1}{\"a\": 1}"}}),
    );
    let parsed = message.parse(&tools(&["add"]), 1);
    assert_eq!(runs(&parsed), [("add", "{\"a\": 1}")]);
    let results = Dispatcher::new(tools(&["add"])).dispatch_blocking(parsed.calls.clone());
    let replies = tool_core::serde_json::to_value(parsed.replies(&results)).unwrap();
    assert_eq!(
        replies,
        json!([{"role": "function", "name": "add", "content": "done"}])
    );
    assert_eq!(
        kept(parsed)["function_call"],
        json!({"name": "add", "arguments": "{\"a\": 1}"})
    );
}
