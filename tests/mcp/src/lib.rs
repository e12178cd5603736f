//! Tools that succeed, tools that fail, and those that the conformance suite requires.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tool_core::{
    Audio, CallContext, Content, Decision, Dispatcher, DynamicTool, Image, InvalidDefinitionError,
    Resource, ToolError, ToolSet, tool, tools,
};

/// Add two numbers.
#[tool(read_only, title = "Addition")]
pub fn add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}

/// What [`split`] returns.
#[derive(Debug, Serialize, tool_core::schemars::JsonSchema)]
#[schemars(crate = "tool_core::schemars")]
pub struct Parts {
    /// In the order of the text.
    pub words: Vec<String>,
    /// How many there are.
    pub count: usize,
}

/// Split a text into words.
#[tool(read_only, structured)]
pub fn split(text: &str) -> Parts {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let count = words.len();
    Parts { words, count }
}

/// Panic.
#[tool]
#[expect(clippy::panic, reason = "that is what it is for")]
pub async fn panics() -> String {
    panic!("a secret of the program")
}

/// Never return.
#[tool]
pub async fn hangs() -> String {
    std::future::pending().await
}

/// Take a while.
#[tool]
pub async fn sleeps(milliseconds: u64) -> String {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    format!("slept {milliseconds} ms")
}

/// Fail.
#[tool]
pub async fn fails(why: &str) -> Result<String, String> {
    Err(why.to_owned())
}

/// Write to the process's stdout.
#[tool]
#[expect(clippy::print_stdout, reason = "that is what it is for")]
pub fn prints(text: &str) -> String {
    println!("{text}");
    "printed".to_owned()
}

/// Return much text.
#[tool]
pub fn repeats(text: &str, times: usize) -> String {
    text.repeat(times)
}

/// Transfer money.
#[tool(destructive, idempotent = false, open_world = false)]
pub async fn transfer(#[context] context: &CallContext, cents: u64) -> String {
    format!("sent {cents} under {}", context.idempotency_key())
}

/// Report progress.
#[tool(name = "test_tool_with_progress")]
pub async fn reports(#[context] context: &CallContext) -> &'static str {
    for percent in [0_u8, 50, 100] {
        context.progress(format!("{percent} %"), f64::from(percent) / 100.0);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    "Done."
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const WAV: &[u8] = b"RIFF\x24\0\0\0WAVEfmt ";

/// Return text.
#[tool(name = "test_simple_text")]
pub fn simple_text() -> &'static str {
    "This is a simple text response for testing."
}

/// Return a picture.
#[tool(name = "test_image_content")]
pub fn image() -> Image {
    Image::new("image/png", PNG)
}

/// Return a sound.
#[tool(name = "test_audio_content")]
pub fn audio() -> Audio {
    Audio::new("audio/wav", WAV)
}

fn embedded() -> Resource {
    Resource::text(
        "test://embedded-resource",
        "This is an embedded resource content.",
    )
    .with_mime_type("text/plain")
}

/// Return a resource.
#[tool(name = "test_embedded_resource")]
pub fn resource() -> Resource {
    embedded()
}

/// Return several kinds of content.
#[tool(name = "test_multiple_content_types")]
pub fn mixed() -> Vec<Content> {
    vec![
        "Multiple content types test:".into(),
        Image::new("image/png", PNG).into(),
        embedded().into(),
    ]
}

/// Always fail.
#[tool(name = "test_error_handling")]
pub fn always_fails() -> Result<(), ToolError> {
    let text = "This tool intentionally returns an error for testing";
    Err(ToolError::new(tool_core::ErrorCode::ToolError, text))
}

/// A tool whose schema uses what revision 2020-12 of JSON Schema has.
fn wide_schema() -> Result<DynamicTool, InvalidDefinitionError> {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }},
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    });
    DynamicTool::new(
        "json_schema_2020_12_tool",
        "Take what a wide schema allows.",
        schema,
        |arguments| async move { Ok::<_, String>(arguments) },
    )
}

/// Log nothing.
#[tool(name = "test_logging_tool")]
pub fn logs() -> &'static str {
    "logged"
}

/// Tools that ask for input, as the suite requires: here, for approval.
const ASKING: [&str; 7] = [
    "test_input_required_result_elicitation",
    "test_input_required_result_request_state",
    "test_input_required_result_tampered_state",
    "test_input_required_result_capabilities",
    "test.dotted-name",
    "test_missing_capability",
    "test_streaming_elicitation",
];

fn asking(name: &str) -> Result<DynamicTool, InvalidDefinitionError> {
    let schema = json!({"type": "object", "properties": {}});
    DynamicTool::new(name, "Run when it is approved.", schema, |_| async {
        Ok::<_, String>("state-ok")
    })
}

/// All of them.
///
/// # Errors
/// A definition is none, or two have one name.
pub fn tools() -> Result<ToolSet, Box<dyn std::error::Error + Send + Sync>> {
    let mut tools = tools![
        add,
        split,
        panics,
        hangs,
        sleeps,
        fails,
        prints,
        repeats,
        transfer,
        reports,
        simple_text,
        image,
        audio,
        resource,
        mixed,
        always_fails,
        logs,
    ]
    .with_state(())
    .with_tool(wide_schema()?)?;
    for name in ASKING {
        tools = tools.with_tool(asking(name)?)?;
    }
    Ok(tools)
}

/// A dispatcher for them that has what is destructive, and what is to ask, approved.
///
/// # Errors
/// As those of [`tools()`].
pub fn dispatcher() -> Result<Dispatcher, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Dispatcher::new(tools()?).with_policy(|request| {
        let asks = ASKING.contains(&request.call().name.as_str());
        match asks || request.definition().behavior().is_destructive() {
            true => Decision::Hold,
            false => Decision::Allow,
        }
    }))
}
