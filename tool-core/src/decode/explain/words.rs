//! Values and what schemas admit, in words.

use serde_json::{Map, Value};

use super::Root;
use crate::model::{beginning, clip};

/// The most characters of a decoder's message.
const MOST_SAID: usize = 1_000;

/// The most values and forms that are listed.
const MOST_LISTED: usize = 20;

impl<'s> Root<'s> {
    /// What a schema admits, in words.
    pub(super) fn words(&self, schema: &'s Map<String, Value>, depth: usize) -> String {
        if let Some(constant) = schema.get("const") {
            return quoted(constant);
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            return either(values.iter().map(quoted).collect());
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(Value::Array(branches)) = schema.get(key).filter(|_| depth < 4) {
                let forms = branches.iter().filter_map(|branch| self.resolved(branch));
                return either(forms.map(|form| self.words(form, depth + 1)).collect());
            }
        }
        match schema.get("type") {
            Some(Value::Array(names)) => either(
                names
                    .iter()
                    .map(|name| self.of_type(name, schema))
                    .collect(),
            ),
            Some(name) => self.of_type(name, schema),
            None => "another value".to_owned(),
        }
    }

    fn of_type(&self, name: &Value, schema: &'s Map<String, Value>) -> String {
        let limit = |keyword| schema.get(keyword).map(ToString::to_string);
        match name.as_str().unwrap_or_default() {
            "string" => match schema.get("format").and_then(Value::as_str) {
                Some("date") => "a date like `2026-05-12`".to_owned(),
                Some("date-time") => "a date and time like `2026-05-12T08:30:00Z`".to_owned(),
                Some("time" | "partial-time") => "a time like `08:30:00`".to_owned(),
                Some("partial-date-time") => {
                    "a date and time like `2026-05-12T08:30:00`".to_owned()
                }
                Some("uuid") => "a UUID like `123e4567-e89b-12d3-a456-426614174000`".to_owned(),
                Some("uri") => "a URL like `https://example.com/`".to_owned(),
                Some(format) => format!("a string of the format `{format}`"),
                None => "a string".to_owned(),
            },
            "integer" => match (limit("minimum"), limit("maximum")) {
                (Some(least), Some(most)) => format!("an integer from {least} to {most}"),
                (Some(least), None) => format!("an integer of at least {least}"),
                (None, Some(most)) => format!("an integer of at most {most}"),
                (None, None) => "an integer".to_owned(),
            },
            "array" => "a list".to_owned(),
            "object" => {
                let properties = schema.get("properties").and_then(Value::as_object);
                let properties = properties.into_iter().flatten().take(MOST_LISTED);
                let property = |(name, schema): (&String, &Value)| match schema.get("const") {
                    Some(constant) => format!("`{name}`: {}", quoted(constant)),
                    None => format!("`{name}`"),
                };
                match properties.map(property).collect::<Vec<_>>() {
                    names if names.is_empty() => "an object".to_owned(),
                    names => format!("an object with {}", joined(names, "and")),
                }
            }
            "null" => "null".to_owned(),
            name => format!("a {name}"),
        }
    }
}

fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{}`", clip(text)),
        value => format!("`{}`", clip(&value.to_string())),
    }
}

fn either(words: Vec<String>) -> String {
    let mut words: Vec<String> = words.into_iter().filter(|words| words != "null").collect();
    words.dedup();
    if words.len() > MOST_LISTED {
        words.truncate(MOST_LISTED);
        words.push("another".to_owned());
    }
    joined(words, "or")
}

fn joined(mut words: Vec<String>, last: &str) -> String {
    match (words.pop(), words.is_empty()) {
        (None, _) => "nothing".to_owned(),
        (Some(only), true) => only,
        (Some(end), false) => format!("{} {last} {end}", words.join(", ")),
    }
}

pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("boolean `{value}`"),
        Value::Number(number) if number.is_f64() => format!("number `{number}`"),
        Value::Number(number) => format!("integer `{number}`"),
        Value::String(text) => format!("string {:?}", clip(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(members) if members.is_empty() => "an empty object".to_owned(),
        Value::Object(members) => {
            let names = members
                .keys()
                .take(MOST_LISTED)
                .map(|name| format!("`{}`", clip(name)));
            format!("an object with {}", joined(names.collect(), "and"))
        }
    }
}

/// A message whose first quoted value is cut, which is what was found.
pub(super) fn shortened(message: &str) -> String {
    let cut_message = || {
        let (before, rest) = message.split_at(message.find(['"', '`'])? + 1);
        let quote = before.chars().next_back()?;
        let is_escaped = |end: usize| rest[..end].ends_with('\\');
        let end = rest
            .match_indices(quote)
            .map(|(end, _)| end)
            .find(|end| !is_escaped(*end))?;
        let (quoted, after) = rest.split_at(end);
        Some(format!("{before}{}{after}", clip(quoted)))
    };
    let message = cut_message().unwrap_or_else(|| message.to_owned());
    beginning(&message, MOST_SAID)
}
