//! Tool definitions: what a model reads of a tool, and what the dispatcher knows of it.

use std::hash::Hasher;

use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use siphasher::sip128::{Hasher128, SipHasher24};

use super::behavior::Behavior;
use super::schema_check::{self, SchemaMistake};
use super::text::quotable;

/// Tool definition: name, description and parameters (JSON Schema) for the model, and the behavior.
///
/// Shape: serialised as what the model reads, an object with `name`, `description` and
/// `parameters`, which is a JSON Schema (draft 2020-12). Equal declarations have equal definitions,
/// byte for byte, in every run and on every machine.
///
/// A provider may not accept every name and schema: an adapter reports that when the tools are
/// offered.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolDefinition {
    name: String,
    title: Option<String>,
    description: String,
    parameters: Value,
    output_schema: Option<Value>,
    behavior: Behavior,
    checks_arguments: bool,
    null_means_absent: Vec<&'static str>,
}

impl ToolDefinition {
    /// The definition of a tool that is known only at run time. Shape: `parameters` is a JSON
    /// Schema that describes the arguments object.
    ///
    /// # Errors
    /// The name is empty, `parameters` is not a JSON Schema, or it admits no object.
    pub fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: Value,
    ) -> Result<Self, InvalidDefinitionError> {
        let name = name.into();
        if name.is_empty() {
            return Err(InvalidDefinitionError::EmptyName);
        }
        if let Err(mistake) = schema_check::check(&parameters) {
            let SchemaMistake { path, message } = mistake;
            return Err(InvalidDefinitionError::Schema {
                name,
                path,
                message,
            });
        }
        if !admits_object(&parameters) {
            return Err(InvalidDefinitionError::NotAnObject { name });
        }
        Ok(Self {
            checks_arguments: false,
            ..Self::declared(name, description, parameters)
        })
    }

    /// As [`new`](Self::new), for what the macro has already checked.
    pub(crate) fn declared(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: Value,
    ) -> Self {
        Self {
            name: name.into(),
            title: None,
            description: description.into(),
            parameters,
            output_schema: None,
            behavior: Behavior::default(),
            checks_arguments: true,
            null_means_absent: Vec::new(),
        }
    }

    /// Names the parameters for which `null` means the same as leaving them out.
    pub(crate) fn with_null_for_absent(self, names: Vec<&'static str>) -> Self {
        Self {
            null_means_absent: names,
            ..self
        }
    }

    /// Sets a title for people to read.
    #[must_use]
    pub fn with_title(self, title: impl Into<String>) -> Self {
        Self {
            title: Some(title.into()),
            ..self
        }
    }

    /// Publishes the schema of what calls return, for clients that read values: a JSON Schema. The
    /// tool's output is then always JSON, and one that is too long is
    /// [`ErrorCode::UnserializableOutput`](crate::ErrorCode::UnserializableOutput) instead of being
    /// cut. Nothing else holds the output to the schema.
    ///
    /// # Errors
    /// `schema` is not a JSON Schema.
    pub fn with_output_schema(self, schema: Value) -> Result<Self, InvalidDefinitionError> {
        match schema_check::check(&schema) {
            Ok(()) => Ok(self.with_checked_output_schema(schema)),
            Err(SchemaMistake { path, message }) => Err(InvalidDefinitionError::OutputSchema {
                name: self.name,
                path,
                message,
            }),
        }
    }

    /// As [`with_output_schema`](Self::with_output_schema), of a type.
    pub(crate) fn with_checked_output_schema(self, schema: Value) -> Self {
        Self {
            output_schema: Some(schema),
            ..self
        }
    }

    /// Changes how calls behave, on top of earlier settings.
    ///
    /// # Errors
    /// The behavior contradicts itself.
    pub fn with_behavior(
        mut self,
        behave: impl FnOnce(&mut Behavior),
    ) -> Result<Self, InvalidDefinitionError> {
        behave(&mut self.behavior);
        let properties = &self.parameters["properties"];
        match self
            .behavior
            .contradiction(|property| properties.get(property).is_some())
        {
            None => Ok(self),
            Some(contradiction) => Err(InvalidDefinitionError::Behavior {
                name: self.name,
                contradiction,
            }),
        }
    }

    /// As [`with_behavior`](Self::with_behavior), for what the macro has already checked.
    pub(crate) fn with_checked_behavior(self, behavior: Behavior) -> Self {
        Self { behavior, ..self }
    }

    /// The same, of a tool that refuses whatever its schema refuses.
    pub(crate) fn with_checked_arguments(self) -> Self {
        Self {
            checks_arguments: true,
            ..self
        }
    }

    /// The same tool under another name.
    pub(crate) fn renamed(&self, name: String) -> Self {
        Self {
            name,
            ..self.clone()
        }
    }

    /// The name the model calls it by; never empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A title for people to read, if it has one. The model does not read it.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// What it does, for the model to choose it by.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// JSON Schema of the arguments object, its properties in declaration order.
    pub fn parameters(&self) -> &Value {
        &self.parameters
    }

    /// JSON Schema of what calls return, if it is published: a tool declares it with `structured`.
    pub fn output_schema(&self) -> Option<&Value> {
        self.output_schema.as_ref()
    }

    /// How calls behave, as declared.
    pub fn behavior(&self) -> &Behavior {
        &self.behavior
    }

    /// A hash of what the model reads of the tool, the same in every process: to detect that a call
    /// was made for another definition. Shape: 32 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let mut hasher = SipHasher24::new();
        hasher.write(&serde_json::to_vec(self).unwrap_or_default());
        format!("{:032x}", hasher.finish128().as_u128())
    }

    /// Whether the tool itself refuses arguments that its schema refuses, as every `#[tool]` does;
    /// so a schema may omit what hardly any model gets wrong.
    pub fn checks_arguments(&self) -> bool {
        self.checks_arguments
    }

    /// Whether `null` for a parameter is known to mean the same as leaving it out, as it does for an
    /// `Option` of a `#[tool]`. In other tools and inside of values they may be two things: "remove
    /// it" and "keep it as it is".
    pub fn null_means_absent(&self, parameter: &str) -> bool {
        self.null_means_absent.contains(&parameter)
    }
}

/// A tool that an adapter cannot offer.
///
/// Shape: serialised as an object with these two strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeftOutTool {
    /// Its name.
    pub tool: String,
    /// Why, and what can be done about it.
    pub reason: String,
}

impl LeftOutTool {
    /// A tool, and why it is left out.
    pub fn new(tool: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            tool: tool.into(),
            reason: reason.into(),
        }
    }
}

/// Whether the root lets an object be. A root without a type does.
fn admits_object(parameters: &Value) -> bool {
    match &parameters["type"] {
        Value::Null => true,
        Value::String(name) => name == "object",
        types => types
            .as_array()
            .is_some_and(|types| types.iter().any(|name| name == "object")),
    }
}

/// What the model reads: name, description and parameters.
impl Serialize for ToolDefinition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("ToolDefinition", 3)?;
        object.serialize_field("name", &self.name)?;
        object.serialize_field("description", &self.description)?;
        object.serialize_field("parameters", &self.parameters)?;
        object.end()
    }
}

/// A definition that no model could use, or that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDefinitionError {
    /// A tool without a name cannot be called.
    #[error("a tool has an empty name; give it one that the model can call it by")]
    EmptyName,
    /// The parameters are not a JSON Schema.
    #[error(
        "the parameters of tool `{}` are not a JSON Schema{}: {message}",
        quotable(name),
        at(path)
    )]
    Schema {
        /// The tool.
        name: String,
        /// Where the mistake is, `properties.limit.minimum` for example; empty for the root.
        path: String,
        /// What is there, and what would have to be.
        message: String,
    },
    /// The schema of the output is not a JSON Schema.
    #[error(
        "the output schema of tool `{}` is not a JSON Schema{}: {message}",
        quotable(name),
        at(path)
    )]
    OutputSchema {
        /// The tool.
        name: String,
        /// Where the mistake is; empty for the root.
        path: String,
        /// What is there, and what would have to be.
        message: String,
    },
    /// The arguments of a call are an object, which the schema does not admit.
    #[error(
        "the parameters of tool `{}` are not an object schema; write `{{\"type\": \"object\", \"properties\": …}}`",
        quotable(name)
    )]
    NotAnObject {
        /// The tool.
        name: String,
    },
    /// The declared behavior contradicts itself.
    #[error(
        "the behavior of tool `{}` contradicts itself: {contradiction}",
        quotable(name)
    )]
    Behavior {
        /// The tool.
        name: String,
        /// The two options that contradict each other.
        contradiction: String,
    },
}

/// Of a long path, its end: that is where the mistake is.
fn at(path: &str) -> String {
    const LONGEST: usize = 100;
    if path.is_empty() {
        return String::new();
    }
    match path.char_indices().rev().nth(LONGEST - 1) {
        Some((start @ 1.., _)) => format!(" at `…{}`", quotable(&path[start..])),
        _ => format!(" at `{}`", quotable(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_error_is_one_short_line_whatever_the_definition() {
        let name = "a\nb".repeat(100);
        let nest = |inner, _| json!({"properties": {name.clone(): inner}});
        let schema = (0..100).fold(json!({"type": 5}), nest);
        let text = ToolDefinition::new(&name, "", schema)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains(".type`: ") && text.contains("at `…"),
            "{text}"
        );
        assert!(text.chars().count() < 400 && !text.contains('\n'), "{text}");
    }
}
