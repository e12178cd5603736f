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
        .merge(tools![other::three].with_state(3))
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
    assert!(definition.behavior().is_read_only());
    assert_eq!(
        definition.behavior().timeout,
        tool_core::Timeout::After(std::time::Duration::from_secs(5))
    );
}

/// Returns its definition once, and never again.
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

#[test]
fn a_set_is_made_of_tools_of_one_kind_or_of_several() {
    let tools = ToolSet::from_tools([dynamic("four"), dynamic("five")]).unwrap();
    assert_eq!(names(&tools), ["four", "five"]);
    let numbers: ToolSet = tools![one, two];
    let several: Vec<Arc<dyn Tool>> = vec![Arc::new(dynamic("four")), numbers.tool("two").unwrap()];
    let tools = ToolSet::from_tools(several).unwrap();
    assert_eq!(tools.names().collect::<Vec<_>>(), ["four", "two"]);
    let error = ToolSet::from_tools([dynamic("four"), dynamic("four")]).unwrap_err();
    assert_eq!(error.name(), "four");
    assert!(
        ToolSet::from_tools(Vec::<DynamicTool>::new())
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_set_is_filtered_by_its_definitions() {
    let tools = tools![one, other::three, two]
        .with_tool(dynamic("four"))
        .unwrap();
    let odd = tools
        .filter(|definition| definition.name() != "two")
        .with_state(3);
    assert_eq!(names(&odd), ["one", "three", "four"]);
    let dispatcher = Dispatcher::new(odd);
    let results = dispatcher
        .dispatch(calls([("four", "{}"), ("two", "{}"), ("three", "{}")]))
        .await;
    assert_eq!(codes(&results), ["ok", "unknown_tool", "ok"]);
    assert_eq!(tools.filter(|_| false).with_state(0).len(), 0);
}

#[tokio::test]
async fn a_typed_tool_has_the_schema_of_its_type_and_checks_it() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Bed {
        /// The ward.
        ward: String,
        #[serde(default)]
        number: u8,
    }

    let book = DynamicTool::typed_with_context(
        "book",
        "Book a bed.",
        |cx: CallContext, Bed { ward, number }| async move {
            Ok::<_, ToolError>(format!("{} booked {ward} {number}", cx.id()))
        },
    );
    let book = book.unwrap().with_title("Book a bed");
    assert_eq!(book.definition().title(), Some("Book a bed"));
    assert!(book.definition().checks_arguments());
    assert_eq!(
        book.definition().parameters()["properties"]["ward"],
        json!({"description": "The ward.", "type": "string"})
    );
    let dispatcher = Dispatcher::new(tools![].with_tool(book).unwrap());
    let results = dispatcher
        .dispatch(calls([
            ("book", r#"{"ward": "north", "number": 7}"#),
            ("book", r#"{"ward": "north", "number": 256}"#),
            ("book", r#"{"ward": "north", "floor": 1}"#),
            ("book", r#"["north"]"#),
        ]))
        .await;
    let answers = contents(&results);
    assert_eq!(answers[0], "call_0 booked north 7");
    assert!(answers[1].contains("`number`: "), "{}", answers[1]);
    assert!(
        answers[2].contains("`floor`: unknown argument"),
        "{}",
        answers[2]
    );
    assert!(
        answers[3].contains("must be one JSON object"),
        "{}",
        answers[3]
    );
    assert!(results[1..].iter().all(|result| result.started().is_none()));

    let number = DynamicTool::typed("book", "Book a bed.", |number: u8| async move {
        Ok::<_, ToolError>(number)
    });
    let error = number.unwrap_err().to_string();
    assert!(error.contains("not an object schema"), "{error}");
}

#[tokio::test]
async fn a_limit_of_zero_is_one() {
    let idle = DynamicTool::new("idle", "Do nothing.", json!({}), |_| async {
        tokio::task::yield_now().await;
        Ok::<_, ToolError>(())
    });
    let idle = idle
        .unwrap()
        .with_behavior(|behavior| behavior.concurrency = Some(0))
        .unwrap();
    let tools = ToolSet::from_tools([idle]).unwrap();
    let dispatcher = Dispatcher::new(tools).with_max_concurrency(0);
    let results = dispatcher
        .dispatch(calls([("idle", "{}"), ("idle", "{}")]))
        .await;
    assert_eq!(codes(&results), ["ok", "ok"]);
}
