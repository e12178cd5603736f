//! A set keeps declaration order and each name once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tool_core::{
    CallContext, Dispatcher, DynamicTool, Tool, ToolDefinition, ToolError, ToolFuture, ToolOutput,
    ToolSet, tool, tools,
};

use crate::support::{calls, codes, contents};

/// Say one.
#[tool]
async fn one() -> u32 {
    1
}

/// Say two.
#[tool]
fn two() -> u32 {
    2
}

mod other {
    use tool_core::tool;

    /// Say one, otherwise.
    #[tool]
    pub(super) fn one() -> u32 {
        11
    }

    /// Say three, of a state.
    #[tool]
    pub(super) fn three(#[state] state: &u32) -> u32 {
        *state
    }
}

fn names(tools: &ToolSet) -> Vec<&str> {
    tools.definitions().map(|tool| tool.name()).collect()
}

fn dynamic(name: &str) -> DynamicTool {
    DynamicTool::new(
        name,
        "Say four.",
        json!({"type": "object", "properties": {}}),
        |_| async { Ok::<_, ToolError>(4) },
    )
    .unwrap()
}

#[tokio::test]
async fn sets_merge_in_order_whatever_state_they_had() {
    let tools = tools![two]
        .with_tool(dynamic("four"))
        .unwrap()
        .merge(&tools![other::three].with_state(3))
        .unwrap();
    let tools = tools.merge(&tools![one]).unwrap();
    assert_eq!(names(&tools), ["two", "four", "three", "one"]);
    assert_eq!((tools.len(), tools.is_empty()), (4, false));
    assert!(tools.definition("three").is_some() && tools.definition("five").is_none());
    let results = Dispatcher::new(tools)
        .dispatch(calls([
            ("one", "{}"),
            ("two", "{}"),
            ("three", "{}"),
            ("four", "{}"),
        ]))
        .await;
    assert_eq!(contents(&results), ["1", "2", "3", "4"]);
}

#[test]
fn a_name_that_is_there_is_refused() {
    let tools: ToolSet = tools![one, two];
    let error = tools.clone().merge(&tools![other::one]).unwrap_err();
    assert_eq!(error.name(), "one");
    assert_eq!(
        error.to_string(),
        "two tools are named `one`; rename one, with `#[tool(name = \"…\")]` for example"
    );
    assert_eq!(
        tools.clone().with_tool(dynamic("two")).unwrap_err().name(),
        "two"
    );
    assert_eq!(tools.clone().merge(&tools).unwrap_err().name(), "one");
}

#[test]
fn a_clone_is_not_changed_by_what_is_added() {
    let tools: ToolSet = tools![one];
    let more = tools.clone().with_tool(dynamic("four")).unwrap();
    assert_eq!(names(&tools), ["one"]);
    assert_eq!(names(&more), ["one", "four"]);
}

#[test]
fn definitions_are_the_same_bytes_every_time() {
    /// Everything that a definition can hold.
    #[tool(name = "every-thing", timeout = "5s", read_only)]
    #[expect(unused_variables, reason = "only its definition is of interest")]
    fn everything(
        /// First.
        zebra: String,
        #[arg(default = 5, range(1..=50))] apple: u32,
        mango: std::collections::HashMap<String, u8>,
        #[state] state: &u8,
    ) {
    }

    let text = || {
        let tools = tools![everything, one].with_state(1_u8);
        tools
            .definitions()
            .map(|tool| {
                format!(
                    "{} {} {}\n",
                    tool.name(),
                    tool.description(),
                    tool.parameters()
                )
            })
            .collect::<String>()
    };
    let expected = concat!(
        r#"every-thing Everything that a definition can hold. {"type":"object","properties":{"#,
        r#""zebra":{"description":"First.","type":"string"},"#,
        r#""apple":{"type":"integer","default":5,"minimum":1,"maximum":50},"#,
        r#""mango":{"type":"object","additionalProperties":{"type":"integer","maximum":255,"minimum":0}}},"#,
        r#""required":["zebra","mango"],"additionalProperties":false}"#,
        "\n",
        r#"one Say one. {"type":"object","properties":{},"required":[],"additionalProperties":false}"#,
        "\n",
    );
    assert_eq!(text(), expected);
    assert_eq!(text(), expected);
    let tools = tools![everything].with_state(1_u8);
    let definition = tools.definition("every-thing").unwrap();
    assert!(definition.behavior().read_only);
    assert_eq!(
        definition.behavior().timeout,
        tool_core::Timeout::After(std::time::Duration::from_secs(5))
    );
}

/// Tells what it is once, and never again.
struct Forgetful(AtomicBool, ToolDefinition);

impl Tool for Forgetful {
    fn definition(&self) -> &ToolDefinition {
        assert!(!self.0.swap(true, Ordering::SeqCst), "asked twice");
        &self.1
    }

    fn call<'a>(&'a self, _: &'a CallContext, _: &'a str) -> ToolFuture<'a> {
        Box::pin(async { Ok(ToolOutput::from_text("done")) })
    }
}

#[tokio::test]
async fn a_definition_is_read_once() {
    let definition = ToolDefinition::new(
        "forgetful",
        "Forget.",
        json!({"type": "object", "properties": {}}),
    )
    .unwrap();
    let tool: Arc<dyn Tool> = Arc::new(Forgetful(AtomicBool::new(false), definition));
    let dispatcher = Dispatcher::new(ToolSet::default().with_tool(tool).unwrap());
    let results = dispatcher
        .dispatch(calls([
            ("forgetful", "{}"),
            ("forgetfull", "{}"),
            ("forgetful", "{}"),
        ]))
        .await;
    assert_eq!(codes(&results), ["ok", "unknown_tool", "ok"]);
}
