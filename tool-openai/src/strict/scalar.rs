//! Plain schemas: their types, and the values they list.

use serde_json::{Value, json};

use super::array::implied_most;
use super::notes;
use super::reason::{NotStrictError, Obstacle};
use super::rewrite::{Rewriter, Rewritten};
use super::schema::{Object, implied_type};
use super::shape::{note, nullable};

/// Keywords that no service takes, and that a description cannot replace.
const REFUSED: [&str; 7] = [
    "$dynamicRef",
    "$recursiveRef",
    "dependencies",
    "dependentSchemas",
    "else",
    "if",
    "then",
];

impl Rewriter<'_> {
    /// A schema without references or branches, its own description left to the caller.
    pub(super) fn plain(&mut self, schema: &Object) -> Rewritten {
        if let Some(keyword) = REFUSED
            .into_iter()
            .find(|keyword| schema.contains_key(*keyword))
        {
            return Err(self.because(Obstacle::Keyword(keyword)));
        }
        // Values decide more than types: both are needed to know which types remain.
        let values = listed(schema);
        let mut names = self.types(schema, values.as_deref())?;
        // Split off, and added at the end: as a type, or as a branch, whatever the form allows.
        let null = names.contains(&"null")
            && values
                .as_ref()
                .is_none_or(|values| values.contains(&Value::Null));
        names.retain(|name| {
            *name != "null"
                && values
                    .as_ref()
                    .is_none_or(|values| values.iter().any(|value| is_of(value, name)))
        });
        let rewritten = match names.as_slice() {
            [] if null => return Ok(Object::from_iter([("type".to_owned(), "null".into())])),
            [] => return Err(self.because(Obstacle::Nothing)),
            [name] => self.of_type(name, schema, values.as_deref())?,
            // Keywords of one type have no meaning for another, so each gets a branch.
            names => {
                let mut branches = Vec::new();
                for name in names {
                    branches.push(Value::Object(self.of_type(
                        name,
                        schema,
                        values.as_deref(),
                    )?));
                }
                Object::from_iter([("anyOf".to_owned(), branches.into())])
            }
        };
        Ok(if null { nullable(rewritten) } else { rewritten })
    }

    /// What a schema says of values of one type. Keywords of other types are left out: the service
    /// would refuse them, or ignore them.
    fn of_type(&mut self, name: &str, schema: &Object, values: Option<&[Value]>) -> Rewritten {
        let mut strict = Object::from_iter([("type".to_owned(), name.into())]);
        if let Some(values) = values {
            let values: Vec<&Value> = values.iter().filter(|value| is_of(value, name)).collect();
            match values.as_slice() {
                [Value::Object(_) | Value::Array(_), ..] => {
                    return Err(self.because(Obstacle::Constant));
                }
                // Kept as declared: the tag of a variant is a `const`.
                [constant] if schema.contains_key("const") => {
                    drop(strict.insert("const".to_owned(), (*constant).clone()));
                }
                values => drop(strict.insert("enum".to_owned(), json!(values))),
            }
        }
        match name {
            "object" => strict.extend(self.properties(schema)?),
            "array" => strict.extend(self.items(schema)?),
            _ => {}
        }
        let schema = with_own_bounds(schema);
        let notes = notes::carry(name, &schema, &mut strict, self.profile);
        Ok(note(strict, &notes))
    }

    /// The types of a schema, each once, from those of its values if it names none.
    fn types(
        &self,
        schema: &Object,
        values: Option<&[Value]>,
    ) -> Result<Vec<&'static str>, NotStrictError> {
        let named: Vec<&Value> = match schema.get("type") {
            Some(Value::Array(names)) => names.iter().collect(),
            Some(name) => vec![name],
            None => Vec::new(),
        };
        let mut types: Vec<&'static str> = Vec::new();
        for named in named {
            match TYPES.into_iter().find(|name| named == name) {
                Some(name) => types.push(name),
                // A typing error, probably: the service would refuse the request.
                None => {
                    return Err(self.because(Obstacle::UnknownType(
                        named
                            .as_str()
                            .map_or_else(|| named.to_string(), str::to_owned),
                    )));
                }
            }
        }
        if types.is_empty() {
            match (values, implied_type(schema)) {
                (Some(values), _) => types.extend(
                    TYPES
                        .into_iter()
                        .filter(|name| values.iter().any(|value| is_best_as(value, name))),
                ),
                (None, Some(name)) => types.push(name),
                (None, None) => return Err(self.because(Obstacle::Untyped)),
            }
        }
        // `number` includes `integer`; both would be two branches for one value.
        if types.contains(&"number") {
            types.retain(|name| *name != "integer");
        }
        let mut seen = Vec::new();
        types.retain(|name| {
            !seen.contains(name) && {
                seen.push(*name);
                true
            }
        });
        Ok(types)
    }
}

/// In the order in which branches for several types are written.
const TYPES: [&str; 7] = [
    "string", "integer", "number", "boolean", "object", "array", "null",
];

/// The values that `const` and `enum` leave, each once.
fn listed(schema: &Object) -> Option<Vec<Value>> {
    let constant = schema.get("const");
    let values: Vec<Value> = match schema.get("enum").and_then(Value::as_array) {
        Some(values) => values
            .iter()
            .filter(|value| constant.is_none_or(|constant| constant == *value))
            .cloned()
            .collect(),
        None => vec![constant?.clone()],
    };
    // The values of an enum have to be unique.
    let mut seen = std::collections::HashSet::new();
    Some(
        values
            .into_iter()
            .filter(|value| seen.insert(value.to_string()))
            .collect(),
    )
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => {
            // JSON Schema counts `5.0` as an integer.
            value.is_i64()
                || value.is_u64()
                || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        _ => value.is_null(),
    }
}

/// Whether it is the narrowest type of a value.
fn is_best_as(value: &Value, name: &str) -> bool {
    is_of(value, name) && (name != "number" || !is_of(value, "integer"))
}

/// The bounds in current keywords, and those that a format or a tuple implies: a value that the
/// schema admits must fit the type.
///
/// Input:  `{"minimum": 0, "exclusiveMinimum": true}`, as it was written before draft 6
/// Output: `{"exclusiveMinimum": 0}`
/// Input:  `{"type": "integer", "format": "int32"}`
/// Output: `{…, "minimum": -2147483648, "maximum": 2147483647}`
fn with_own_bounds(schema: &Object) -> Object {
    let mut schema = schema.clone();
    let implied = match schema.get("format").and_then(Value::as_str) {
        Some("int32") => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        Some("uint32") => Some((0, i64::from(u32::MAX))),
        _ => None,
    };
    if let Some((least, most)) = implied {
        for (bound, exclusive, limit) in [
            ("minimum", "exclusiveMinimum", least),
            ("maximum", "exclusiveMaximum", most),
        ] {
            // A declared bound is at least as narrow as the type.
            if !schema.contains_key(bound) && !schema.contains_key(exclusive) {
                schema.insert(bound.to_owned(), limit.into());
            }
        }
    }
    if let (None, Some(most)) = (schema.get("maxItems"), implied_most(&schema)) {
        schema.insert("maxItems".to_owned(), most.into());
    }
    for (exclusive, bound) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        let Some(is) = schema.get(exclusive).and_then(Value::as_bool) else {
            continue;
        };
        schema.shift_remove(exclusive);
        if let Some(limit) = schema.get(bound).filter(|_| is).cloned() {
            schema.shift_remove(bound);
            schema.insert(exclusive.to_owned(), limit);
        }
    }
    schema
}
