//! Definitions to the `tools` array of a request.

use tool_core::serde_json::{Map, Value, json};
use tool_core::{ToolDefinition, ToolSet};

use super::minimal::{leave_out_widest_bounds, tidy};
use super::nullable::write_nullable;
use super::offered::OfferedTools;
use super::tool_rules::{InvalidToolsError, MOST_TOOLS, check};
use super::wire::{FunctionDefinition, Tool};
use crate::Profile;
use crate::strict::{NotStrictError, Strict, strict};

/// The longest description that every service takes, in characters.
const LONGEST_DESCRIPTION: usize = 1024;

/// The `tools` array of a request to api.openai.com: the definitions in declaration order, as
/// [`tools_for`] writes them for [`Profile::openai`].
///
/// # Errors
/// As for [`tools_for`].
///
/// ```
/// use tool_core::{tool, tools};
///
/// /// Find a patient.
/// #[tool]
/// fn find(name: &str, limit: Option<u8>) -> String {
///     format!("{name}, at most {limit:?}")
/// }
///
/// let tools = tool_openai::chat::tools(&tools![find])?;
/// assert_eq!(
///     tool_core::serde_json::to_value(&tools)?,
///     tool_core::serde_json::json!([{"type": "function", "function": {
///         "name": "find",
///         "description": "Find a patient.",
///         "parameters": {
///             "type": "object",
///             "properties": {"name": {"type": "string"}, "limit": {"type": ["integer", "null"], "minimum": 0, "maximum": 255}},
///             "required": ["name", "limit"],
///             "additionalProperties": false,
///         },
///         "strict": true,
///     }}]),
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn tools(tools: &ToolSet) -> Result<OfferedTools, InvalidToolsError> {
    tools_for(tools, &Profile::default())
}

/// The `tools` array of a request to a service of that profile.
///
/// Shape: each tool is held to its schema by the service, `strict: true`, where the schema can be
/// carried over without loss. Then every property is required, and one that is optional may be
/// `null` for absent. The others are offered without `strict`; [`strictness`] lists which, and why.
/// In these, keywords that do not help a model are left out, and of tools that check their
/// arguments themselves also `additionalProperties: false` at the root and the bounds of 32-bit and
/// 64-bit integers. The same set gives the same bytes in every run; they are made once for a set
/// and a profile.
///
/// A tool that services refuse is [left out](OfferedTools::left_out): one whose name they do not
/// take, or whose parameters are not a plain object, and one that must be strict,
/// `#[tool(strict)]`, and cannot be.
///
/// # Errors
/// [`InvalidToolsError::TooMany`] if there are more tools than services accept.
pub fn tools_for(tools: &ToolSet, profile: &Profile) -> Result<OfferedTools, InvalidToolsError> {
    type Made = (Profile, Result<OfferedTools, InvalidToolsError>);
    let of_profile = |(of, _): &Made| of == profile;
    let made = tools.cached(of_profile, || (profile.clone(), make(tools, profile)));
    made.1.clone()
}

fn make(tools: &ToolSet, profile: &Profile) -> Result<OfferedTools, InvalidToolsError> {
    let (mut offered, mut left_out) = (Vec::new(), Vec::new());
    for definition in tools.definitions() {
        match tool(definition, profile) {
            Ok(tool) => offered.push(tool),
            Err(error) => left_out.push(error),
        }
    }
    match offered.len() {
        count if count > MOST_TOOLS => Err(InvalidToolsError::TooMany { count }),
        _ => Ok(OfferedTools::new(offered, left_out)),
    }
}

fn tool(definition: &ToolDefinition, profile: &Profile) -> Result<Tool, InvalidToolsError> {
    check(definition.name(), definition.parameters())?;
    let (mut parameters, is_strict) = match carried(definition, profile) {
        Some(Ok(strict)) => (strict.schema, Some(true)),
        Some(Err(reason)) if definition.behavior().strict => {
            return Err(InvalidToolsError::NotStrict {
                tool: definition.name().to_owned(),
                reason: Box::new(reason),
            });
        }
        Some(Err(_)) | None => (minimal(definition), None),
    };
    if profile.nullable {
        write_nullable(&mut parameters);
    }
    let function = FunctionDefinition {
        name: definition.name().to_owned(),
        description: definition.description().to_owned(),
        parameters: Some(parameters),
        strict: is_strict,
        extra: Map::new(),
    };
    Ok(Tool {
        r#type: "function".to_owned(),
        function,
        custom: None,
        extra: Map::new(),
    })
}

/// The schema that the service can enforce, or the reason why not; nothing if it enforces no
/// schemas.
fn carried(
    definition: &ToolDefinition,
    profile: &Profile,
) -> Option<Result<Strict, NotStrictError>> {
    profile.is_strict().then(|| {
        let mut parameters = definition.parameters().clone();
        if definition.checks_arguments() {
            leave_out_widest_bounds(&mut parameters);
        }
        strict(&parameters, profile, &|parameter| {
            definition.null_means_absent(parameter)
        })
    })
}

fn minimal(definition: &ToolDefinition) -> Value {
    let mut parameters = definition.parameters().clone();
    tidy(&mut parameters);
    if let Some(root) = parameters.as_object_mut() {
        if definition.checks_arguments() {
            root.remove("additionalProperties");
        }
        root.entry("properties").or_insert_with(|| json!({}));
    }
    if definition.checks_arguments() {
        leave_out_widest_bounds(&mut parameters);
    }
    parameters
}

/// How [`tools_for`] offers each tool to a service of that profile, in declaration order: held to
/// its schema, or why not.
///
/// ```
/// use std::collections::BTreeMap;
/// use tool_core::{tool, tools};
/// use tool_openai::{Profile, chat};
///
/// /// Set tags.
/// #[tool]
/// fn tag(tags: BTreeMap<String, String>) -> usize {
///     tags.len()
/// }
///
/// let report = chat::strictness(&tools![tag], &Profile::openai());
/// assert_eq!(
///     report[0].to_string(),
///     "tool `tag` is not strict: parameter `tags` is a map with keys of any name; take a list of entries, or list the names in \
///      `properties`"
/// );
/// ```
pub fn strictness(tools: &ToolSet, profile: &Profile) -> Vec<Strictness> {
    let of = |definition: &ToolDefinition| {
        let (is_strict, reason, same_first_key) = match carried(definition, profile) {
            Some(Ok(strict)) => (true, None, strict.same_first_key),
            Some(Err(reason)) => (false, Some(reason), None),
            None => (false, None, None),
        };
        let mut warnings: Vec<Warning> = Vec::new();
        let characters = definition.description().chars().count();
        if characters > LONGEST_DESCRIPTION {
            warnings.push(Warning::LongDescription { characters });
        }
        warnings.extend(
            same_first_key.map(|(path, property)| Warning::SameFirstKey { path, property }),
        );
        Strictness {
            tool: definition.name().to_owned(),
            is_strict,
            reason,
            warnings,
        }
    };
    tools.definitions().map(of).collect()
}

/// How a tool is offered: part of what [`strictness`] reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strictness {
    tool: String,
    is_strict: bool,
    reason: Option<NotStrictError>,
    warnings: Vec<Warning>,
}

impl Strictness {
    /// The tool's name.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// Whether it is offered with `strict: true`.
    pub fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// Why it is not. None if it is, and if the profile sends no `strict` at all.
    pub fn reason(&self) -> Option<&NotStrictError> {
        self.reason.as_ref()
    }

    /// What some services are known to refuse, though this one accepts it.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

impl std::fmt::Display for Strictness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "tool `{}` is {}strict",
            self.tool,
            if self.is_strict { "" } else { "not " }
        )?;
        self.reason
            .iter()
            .try_for_each(|reason| write!(f, ": {reason}"))?;
        self.warnings
            .iter()
            .try_for_each(|warning| write!(f, "; {warning}"))
    }
}

/// What some services are known to refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A long description. It is sent whole all the same.
    #[error(
        "its description has {characters} characters, and some services take {LONGEST_DESCRIPTION}"
    )]
    LongDescription {
        /// How many it has.
        characters: usize,
    },
    /// Forms that begin with the same property.
    #[error(
        "the variants at `{path}` begin with the same property `{property}`, and some services cannot distinguish them"
    )]
    SameFirstKey {
        /// Where in the strict schema.
        path: String,
        /// The property.
        property: String,
    },
}

#[cfg(test)]
mod tests;
