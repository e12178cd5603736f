use super::super::MessageParser;
use super::*;
use crate::arguments::is_object;
use proptest::prelude::*;
use tool_core::serde_json::Map;

/// A value that a server might send for a key, or that no server should.
fn value() -> impl Strategy<Value = Value> {
    let texts = [
        "",
        "now",
        "functions.add",
        "multi_tool_use.parallel",
        "custom",
        "function",
        "{}",
        "{\"a\":1}{\"a\":2}",
        "{\"a\":",
        "null",
        "\\",
    ];
    let text = prop_oneof![
        prop::sample::select(texts.to_vec()).prop_map(str::to_owned),
        any::<String>()
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let keys = [
            "id",
            "type",
            "name",
            "arguments",
            "function",
            "custom",
            "input",
            "tool_uses",
            "recipient_name",
            "parameters",
            "index",
            "x",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(keys.to_vec()), inner, 0..5).prop_map(
                |keys| Value::Object(
                    keys.into_iter()
                        .map(|(key, value)| (key.to_owned(), value))
                        .collect::<Map<_, _>>()
                )
            ),
        ]
    })
}

/// The arguments of a wrapper, more or less.
fn wrapper() -> impl Strategy<Value = String> {
    let entry = prop_oneof![
        value(),
        value().prop_map(|value| json!({"recipient_name": "functions.add", "parameters": value}))
    ];
    prop::collection::vec(entry, 0..5).prop_map(|uses| json!({"tool_uses": uses}).to_string())
}

fn wire_call() -> impl Strategy<Value = crate::chat::ToolCall> {
    let name = prop::sample::select(vec![
        "now",
        "add",
        "functions.add",
        "parallel",
        "multi_tool_use.parallel",
        "",
        "nope",
    ]);
    let arguments = prop_oneof![
        any::<String>(),
        wrapper(),
        value().prop_map(|value| value.to_string())
    ];
    let made = (prop::sample::select(vec!["", "a", "b"]), name, arguments)
        .prop_map(|(id, name, arguments)| call(id, name, arguments));
    prop_oneof![made, value()].prop_filter_map("no call", |call| from_value(call).ok())
}

proptest! {
    #[test]
    fn every_call_is_read_and_the_history_agrees(calls in prop::collection::vec(wire_call(), 0..6), cut: bool, split: bool) {
        let tools = tools(&["now", "add"]);
        let mut parser = MessageParser::new(&tools, 7).with_split_calls(split);
        let mut ids = std::collections::HashSet::new();
        for call in &calls {
            let parsed = parser.parse(call.clone(), cut);
            prop_assert!(!parsed.is_empty());
            for parsed in parsed {
                prop_assert_eq!(&parsed.wire.id, &parsed.call.id);
                prop_assert!(ids.insert(parsed.call.id.clone()), "{} twice", parsed.call.id);
                prop_assert!(!(parsed.truncated && is_object(&parsed.call.arguments)));
                prop_assert!(parsed.wire.custom.is_some() || is_object(&parsed.wire.function.arguments));
            }
        }
        let message = AssistantMessage { tool_calls: calls, ..Default::default() };
        let parsed = MessageParser::new(&tools, 7).with_split_calls(split).parse_message(message.clone(), cut);
        prop_assert_eq!(parsed.calls.len(), parsed.message.tool_calls.len());
        prop_assert_eq!(&MessageParser::new(&tools, 7).with_split_calls(split).parse_message(message, cut), &parsed);
        accepted(&parsed)?;
    }

    #[test]
    fn an_object_comes_through_byte_for_byte(arguments in value(), spaced: bool, cut: bool) {
        let arguments = json!({"a": arguments});
        let text = if spaced { format!(" {arguments:#}\n") } else { arguments.to_string() };
        let parsed = MessageParser::new(&tools(&["add"]), 1).parse(from_value(call("1", "add", text.as_str())).unwrap(), cut);
        prop_assert_eq!((&parsed[0].call.arguments, &parsed[0].wire.function.arguments), (&text, &text));
        prop_assert!(parsed[0].repairs.is_empty() && !parsed[0].truncated);
    }
}

/// Whether the service takes the message back, answered.
fn accepted(parsed: &ParsedMessage) -> Result<(), TestCaseError> {
    let results =
        tool_core::Dispatcher::new(tools(&["now", "add"])).dispatch_blocking(parsed.calls.clone());
    let mut messages = vec![crate::chat::Message::user("hi")];
    if !parsed.calls.is_empty() {
        messages.push(parsed.message.clone().into_message());
        messages.extend(parsed.replies(&results));
    }
    let mut messages = tool_core::serde_json::to_value(messages).unwrap();
    strip_unknown(&mut messages);
    let checked = crate::testing::check_request(&json!({"model": "m", "messages": messages}));
    prop_assert!(checked.is_ok(), "{:?}: {}", checked, messages);
    Ok(())
}

/// Leaves out what is echoed because we do not know it: the service we speak to wrote it.
fn strip_unknown(messages: &mut Value) {
    for call in messages
        .as_array_mut()
        .into_iter()
        .flatten()
        .filter_map(|message| message.get_mut("tool_calls")?.as_array_mut())
        .flatten()
    {
        let known = |key: &String| ["id", "type", "function", "custom"].contains(&key.as_str());
        call.as_object_mut()
            .into_iter()
            .for_each(|call| call.retain(|key, _| known(key)));
        for (kind, text) in [("function", "arguments"), ("custom", "input")] {
            let call = call.get_mut(kind).and_then(Value::as_object_mut);
            call.into_iter()
                .for_each(|call| call.retain(|key, _| key == "name" || key == text));
        }
    }
}
