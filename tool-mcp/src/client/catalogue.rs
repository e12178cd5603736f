//! The tools of a server, made of what it lists.

use std::error::Error;
use std::sync::Arc;

use jsonschema::{Retrieve, Uri, Validator};
use rmcp::model::{Tool, ToolAnnotations};
use serde_json::Value;
use tool_core::{Behavior, LeftOutTool, ToolDefinition, ToolSet};

use super::supervisor::Link;
use super::tool::RemoteTool;

/// The tools that a server listed, and those that can be used.
pub(super) struct Catalogue {
    pub(super) listed: Vec<Tool>,
    pub(super) tools: ToolSet,
    pub(super) left_out: Vec<LeftOutTool>,
}

impl Catalogue {
    /// One definition that cannot be used leaves out that tool alone.
    pub(super) fn new(listed: Vec<Tool>, trusted: bool, link: &Arc<Link>) -> Self {
        let (mut tools, mut left_out) = (ToolSet::default(), Vec::new());
        for tool in &listed {
            let added = read(tool, trusted).and_then(|(definition, validator)| {
                let remote = RemoteTool::new(definition, validator, Arc::clone(link));
                let more = tools.clone().with_tool(remote);
                tools =
                    more.map_err(|_| "the server lists another tool of this name".to_owned())?;
                Ok(())
            });
            if let Err(reason) = added {
                let name = tool.name.to_string();
                tracing::warn!(tool = name, reason, "a tool of an MCP server is left out");
                left_out.push(LeftOutTool::new(name, reason));
            }
        }
        Self {
            listed,
            tools,
            left_out,
        }
    }
}

/// # Errors
/// What is wrong with the definition.
fn read(tool: &Tool, trusted: bool) -> Result<(ToolDefinition, Validator), String> {
    let parameters = Value::Object((*tool.input_schema).clone());
    let validator = jsonschema::options()
        .with_retriever(NoRetriever)
        .build(&parameters)
        .map_err(|error| format!("its schema cannot be used: {error}"))?;
    let annotations = tool.annotations.clone().unwrap_or_default();
    let description = tool.description.as_deref().unwrap_or_default();
    let mut definition = ToolDefinition::new(tool.name.clone(), description, parameters)
        .and_then(|definition| {
            definition.with_behavior(|behavior| set(behavior, &annotations, trusted))
        })
        .map_err(|error| error.to_string())?;
    if let Some(title) = tool.title.clone().or(annotations.title) {
        definition = definition.with_title(title);
    }
    if let Some(schema) = &tool.output_schema {
        definition = definition
            .with_output_schema(Value::Object((**schema).clone()))
            .map_err(|error| error.to_string())?;
    }
    Ok((definition, validator))
}

/// From an untrusted server, only hints that make a tool look worse.
fn set(behavior: &mut Behavior, declared: &ToolAnnotations, trusted: bool) {
    let believed =
        |declared: Option<bool>, worse| declared.filter(|declared| trusted || *declared == worse);
    behavior.remote = true;
    behavior.read_only = believed(declared.read_only_hint, false);
    behavior.idempotent = believed(declared.idempotent_hint, false);
    behavior.open_world = believed(declared.open_world_hint, true);
    // It has no meaning for a read-only tool.
    let writes = !behavior.is_read_only();
    behavior.destructive = believed(declared.destructive_hint, true).filter(|_| writes);
}

/// A server's schema cannot make this program read a file or send a request.
struct NoRetriever;

impl Retrieve for NoRetriever {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        Err(format!("{uri} is not part of it").into())
    }
}
