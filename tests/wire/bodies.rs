//! Chat completions that were not streamed: the same calls as other programs read.

use std::collections::BTreeMap;

use serde_json::{Value, from_value, json};
use tool_core::{Dispatcher, DynamicTool, ToolCall, ToolSet};
use tool_openai::chat::{self, Completion, HistoryChange, Message, ParsedMessage};

use super::{Call, exchanges};

#[test]
fn recorded_answers_match_other_parsers() {
    let mut counts = BTreeMap::<String, usize>::new();
    for exchange in exchanges("chat.jsonl") {
        let Some(body) = exchange.body else { continue };
        let at = format!("{} ({})", exchange.file, exchange.source);
        let expected = exchange.expected.unwrap_or_else(|| written(&body));
        let tools = open_tools(&exchange.request_tools);
        let (parsed, cut) = parse(body, &tools);
        assert_eq!(parsed.calls.len(), expected.len(), "{at}");
        for (position, (call, expected)) in parsed.calls.iter().zip(&expected).enumerate() {
            assert_eq!(call.name, expected.name, "{at}");
            assert!(
                expected.id.is_empty() || call.id == expected.id,
                "{at}: {} for {expected:?}",
                call.id
            );
            check_arguments(call, expected, cut, &at);
            let complete =
                serde_json::from_str::<Value>(&call.arguments).is_ok_and(|value| value.is_object());
            assert_eq!(
                parsed.truncated.contains(&position),
                cut && !complete,
                "{at}"
            );
        }
        let reasons = parsed.repairs.iter().map(|(_, repair)| repair.to_string());
        let truncated = parsed.truncated.iter().map(|_| "cut short".to_owned());
        for count in reasons
            .chain(truncated)
            .chain(parsed.calls.iter().map(|_| "calls".to_owned()))
        {
            *counts.entry(count).or_default() += 1;
        }
        *counts.entry("answers".to_owned()).or_default() += 1;
        stays_valid(parsed, tools, &at);
    }
    println!("{counts:#?}");
}

/// Tools with these names, which take anything.
fn open_tools(names: &[Option<String>]) -> ToolSet {
    let open = || json!({"type": "object", "properties": {}});
    let tool = |name: &String| {
        DynamicTool::new(name, "", open(), |_| async { Ok::<_, String>("done") }).unwrap()
    };
    names
        .iter()
        .flatten()
        .fold(ToolSet::default(), |set, name| {
            set.with_tool(tool(name)).unwrap()
        })
}

/// The parsed message, and whether the message was cut short.
fn parse(body: Value, tools: &ToolSet) -> (ParsedMessage, bool) {
    let completion: Completion = from_value(body).unwrap();
    let choice = completion.choices.into_iter().next().unwrap();
    let cut = choice.is_cut();
    (choice.parse(tools, 1), cut)
}

/// The calls as the answer has them, for answers without a reference result.
fn written(body: &Value) -> Vec<Call> {
    let calls = body["choices"][0]["message"]["tool_calls"]
        .as_array()
        .unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let call = |call: &Value| Call {
        id: text(&call["id"]),
        name: text(&call["function"]["name"]),
        arguments: text(&call["function"]["arguments"]).into(),
    };
    calls.iter().map(call).collect()
}

fn check_arguments(call: &ToolCall, expected: &Call, cut: bool, at: &str) {
    let expected = expected.arguments.as_str().unwrap();
    match serde_json::from_str::<Value>(expected) {
        Ok(value @ Value::Object(_)) => assert_eq!(
            serde_json::from_str::<Value>(&call.arguments).unwrap(),
            value,
            "{at}"
        ),
        _ if cut => assert_eq!(call.arguments, expected, "{at}"),
        _ => assert_eq!(
            (call.arguments.as_str(), expected.trim_start_matches("null")),
            ("{}", ""),
            "{at}"
        ),
    }
}

/// The message and its answers are a conversation as services take it, but for ids that only the
/// service that wrote them takes.
fn stays_valid(parsed: ParsedMessage, tools: ToolSet, at: &str) {
    let results = Dispatcher::new(tools).dispatch_blocking(parsed.calls.clone());
    for (position, result) in results.iter().enumerate() {
        assert_eq!(
            result.outcome().is_err(),
            parsed.truncated.contains(&position),
            "{at}"
        );
    }
    let replies = parsed.replies(&results);
    let mut messages = vec![Message::user("hi"), parsed.message.into_message()];
    messages.extend(replies);
    let mut repairs = chat::repair(&mut messages);
    repairs.retain(
        |repair| !matches!(&repair.change, HistoryChange::Id { given } if given.len() > 40),
    );
    assert_eq!(repairs, [], "{at}");
}
