//! Tools as they are listed.

use std::borrow::Cow;
use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::Value;
use tool_core::{Dispatcher, ToolDefinition};

/// A dispatcher, and its tools as they are listed.
pub(super) struct Listed<S> {
    pub(super) dispatcher: Dispatcher<S>,
    pub(super) tools: Vec<Tool>,
}

impl<S: Send + Sync + 'static> Listed<S> {
    pub(super) fn new(dispatcher: Dispatcher<S>) -> Self {
        let tools = dispatcher.definitions().map(to_tool).collect();
        Self { dispatcher, tools }
    }

    pub(super) fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name == name)
    }
}

fn to_tool(definition: &ToolDefinition) -> Tool {
    let description = Some(definition.description())
        .filter(|description| !description.is_empty())
        .map(|description| Cow::Owned(description.to_owned()));
    let mut parameters = object(definition.parameters());
    // The protocol asks for it; the arguments are an object in any case.
    parameters.entry("type").or_insert_with(|| "object".into());
    let name = definition.name().to_owned();
    let mut tool = Tool::new_with_raw(name, description, Arc::new(parameters));
    tool.title = definition.title().map(str::to_owned);
    tool.output_schema = definition.output_schema().map(object).map(Arc::new);
    let behavior = definition.behavior();
    let annotations = ToolAnnotations::from_raw(
        tool.title.clone(), // where revisions before 2025-06-18 have it
        behavior.read_only,
        behavior.destructive,
        behavior.idempotent,
        behavior.open_world,
    );
    tool.annotations = Some(annotations).filter(|declared| *declared != ToolAnnotations::default());
    tool
}

fn object(schema: &Value) -> JsonObject {
    match schema {
        Value::Object(object) => object.clone(),
        _ => JsonObject::new(), // `true`: anything
    }
}
