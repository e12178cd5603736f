//! What happens to schemas, keyword by keyword and type by type.

mod hostile;
mod keywords;
mod limits;
mod nulls;
mod parts;
mod types;

use serde_json::{Value, json};

use super::{NotStrictError, Obstacle, Strict};
use crate::Profile;

/// As for a tool all of whose parameters may be `null` for absent.
fn strict(schema: &Value, profile: &Profile) -> Result<Strict, NotStrictError> {
    super::strict(schema, profile, &|_| true)
}

/// What happens to the schema of one required parameter `p`.
fn parameter_for(schema: Value, profile: &Profile) -> Result<Value, (String, Obstacle)> {
    whole(json!({"type": "object", "properties": {"p": schema}, "required": ["p"], "additionalProperties": false}), profile)
        .map(|schema| schema["properties"]["p"].clone())
}

fn parameter(schema: Value) -> Result<Value, (String, Obstacle)> {
    parameter_for(schema, &Profile::openai())
}

fn whole(schema: Value, profile: &Profile) -> Result<Value, (String, Obstacle)> {
    let once = strict(&schema, profile)
        .map_err(|reason| (reason.path().to_owned(), reason.obstacle().clone()))?
        .schema;
    let twice = strict(&once, profile).expect("strict of strict").schema;
    assert_eq!(
        once.to_string(),
        twice.to_string(),
        "strict of strict is the same, byte for byte"
    );
    Ok(once)
}

/// Why the parameter `p` is not strict, and where.
fn obstacle(schema: Value) -> (String, Obstacle) {
    parameter(schema).expect_err("not strict")
}

fn closed(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}
