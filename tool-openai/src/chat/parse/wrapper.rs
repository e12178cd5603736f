//! Calls that wrap several: `multi_tool_use.parallel`, which models invent now and then.

use serde::Deserialize;
use tool_core::ToolSet;
use tool_core::serde_json::value::RawValue;
use tool_core::serde_json::{self, Value};

use super::super::wire::FunctionCall;
use super::names;
use crate::arguments;

/// How deep wrappers are unpacked.
const MOST_DEPTH: usize = 4;

/// How many calls a wrapper is unpacked into. With more it stays what it is: a call of an unknown
/// tool.
const MOST_USES: usize = 128;

/// A call inside a wrapper.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) name: String,
    pub(super) arguments: String,
}

#[derive(Deserialize)]
struct Wrapper<'a> {
    #[serde(borrow)]
    tool_uses: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct WrappedCall<'a> {
    recipient_name: String,
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
}

/// The calls inside a call, if it is a wrapper. Entries that are not calls are kept as calls of a
/// tool without a name, so that they are answered.
pub(super) fn unpack(tools: &ToolSet, call: &FunctionCall, cut: bool) -> Option<Vec<Use>> {
    if !is_wrapper(tools, &call.name) {
        return None;
    }
    let mut uses = Vec::new();
    unpack_into(&mut uses, tools, &call.arguments, cut, MOST_DEPTH)?;
    Some(uses)
}

fn is_wrapper(tools: &ToolSet, name: &str) -> bool {
    let name = names::resolve(tools, name);
    tools.definition(name).is_none()
        && matches!(
            names::unprefixed(name.trim()),
            "multi_tool_use.parallel" | "parallel"
        )
}

/// `None` if the text is not a wrapper, or there are too many calls in it.
fn unpack_into(
    uses: &mut Vec<Use>,
    tools: &ToolSet,
    text: &str,
    cut: bool,
    depth: usize,
) -> Option<()> {
    let arguments = arguments::parse(text.to_owned(), cut, false, false);
    let object = arguments.texts.first().filter(|_| arguments.objects)?;
    let wrapper: Wrapper<'_> = serde_json::from_str(object).ok()?;
    if wrapper.tool_uses.is_empty() || uses.len() + wrapper.tool_uses.len() > MOST_USES {
        return None;
    }
    for entry in wrapper.tool_uses {
        let inside = parse_entry(entry.get());
        let before = uses.len();
        let nested = depth > 1 && is_wrapper(tools, &inside.name);
        let unpacked = if nested {
            unpack_into(uses, tools, &inside.arguments, false, depth - 1)
        } else {
            None
        };
        if unpacked.is_none() {
            uses.truncate(before);
            uses.push(inside);
        }
    }
    (uses.len() <= MOST_USES).then_some(())
}

fn parse_entry(text: &str) -> Use {
    match serde_json::from_str::<WrappedCall<'_>>(text) {
        // A list would be read too, its items as the keys in order.
        Ok(entry) if text.starts_with('{') => Use {
            name: names::unprefixed(entry.recipient_name.trim()).to_owned(),
            arguments: entry.parameters.map_or_else(String::new, json_text),
        },
        _ => Use {
            name: String::new(),
            arguments: text.to_owned(),
        },
    }
}

/// The text inside a string, else the text of the value.
fn json_text(value: &RawValue) -> String {
    match serde_json::from_str(value.get()) {
        Ok(Value::String(text)) => text,
        _ => value.get().to_owned(),
    }
}
