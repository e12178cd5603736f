//! Any text that a model writes as arguments: each call is parsed as one or more that can be
//! answered, and a call that is an object already is not changed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tool_core::serde_json::{Map, Value, from_str, json};
use tool_core::{DynamicTool, ToolSet};
use tool_openai::chat::{AssistantMessage, FunctionCall, MessageParser, ToolCall};

fuzz_target!(|input: (bool, bool, Vec<(String, String, String)>)| {
    let (cut, split, calls) = input;
    let tools = tools();
    let mut ids = std::collections::HashSet::new();
    let wire = |(id, name, arguments): &(String, String, String)| ToolCall {
        id: id.clone(),
        r#type: "function".to_owned(),
        function: FunctionCall {
            name: name.clone(),
            arguments: arguments.clone(),
            extra: Map::new(),
        },
        custom: None,
        extra: Map::new(),
    };
    let wire: Vec<_> = calls.iter().map(wire).collect();
    let mut parser = MessageParser::new(&tools, 1).with_split_calls(split);
    for call in &wire {
        let given = call.function.arguments.clone();
        let parsed = parser.parse(call.clone(), cut);
        assert!(!parsed.is_empty());
        for call in &parsed {
            assert_eq!(call.wire.id, call.call.id);
            assert!(from_str::<Map<String, Value>>(&call.wire.function.arguments).is_ok());
            assert!(ids.insert(call.call.id.clone()), "two calls share an id");
        }
        if parsed.len() == 1
            && parsed[0].call.name == call.function.name
            && from_str::<Map<String, Value>>(&given).is_ok()
        {
            assert_eq!(parsed[0].call.arguments, given);
        }
    }
    let message = AssistantMessage {
        tool_calls: wire,
        ..AssistantMessage::default()
    };
    let parsed = MessageParser::new(&tools, 1)
        .with_split_calls(split)
        .parse_message(message, cut);
    assert_eq!(parsed.calls.len(), parsed.message.tool_calls.len());
});

fn tools() -> ToolSet {
    let parameters =
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
    let tool = DynamicTool::new("a", "", parameters, |_| async { Ok::<_, String>(()) })
        .expect("the definition is legal");
    ToolSet::default()
        .with_tool(tool)
        .expect("there is no other")
}
