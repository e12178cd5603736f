//! What is wrong with a value, by its schema: for decoder errors that a model cannot act on, or
//! that do not say where the mistake is.

mod words;

use std::cell::Cell;
use std::fmt;

use serde_json::{Map, Value};

use super::arguments::ArgumentError;
use crate::model::clip;
use words::{found, shortened};

/// How deep a value and its schema are followed.
const DEEPEST: usize = 32;

/// How many values are looked at for the one that is wrong.
const MOST_STEPS: usize = 10_000;

/// Beginnings of messages that say what was found and what was expected, or which name is wrong.
const CLEAR: [&str; 7] = [
    "duplicate field",
    "invalid length",
    "invalid type",
    "invalid value",
    "missing field",
    "unknown field",
    "unknown variant",
];

/// Decoder errors for a value with several possible variants.
const SAYS_NOTHING: [&str; 4] = [
    "did not match any variant",
    "expected value",
    "tagged enum",
    "unit variant",
];

/// The same error described by its schema, if that is clearer. `schema` is that of the
/// value in `raw`, its definitions in `$defs`.
pub(super) fn explain(raw: &str, schema: &Value, error: ArgumentError) -> ArgumentError {
    let message = shortened(error.message());
    let is_clear = CLEAR.iter().any(|clear| message.starts_with(clear))
        && !SAYS_NOTHING.iter().any(|text| message.contains(text));
    let error = ArgumentError::new(error.path(), message);
    let Ok(value) = serde_json::from_str::<Value>(raw) else {
        return error;
    };
    // The decoder has no name for a key that it refuses.
    let unnamed = match error.path() {
        "?" => Some(""),
        path => path.strip_suffix(".?"),
    };
    if let Some(parent) = unnamed {
        return ArgumentError::new(&with_key(&value, parent), error.message());
    }
    let root = Root {
        schema,
        refused: error.path(),
        steps: Cell::new(MOST_STEPS),
    };
    let mistake = root.find(&value, schema, &Path::Root, 0, &is_refused);
    let mistake = mistake.filter(|mistake| !is_clear || is_within(&mistake.path, error.path()));
    // A decoder may refuse more than a schema does: a text that is not a date.
    let of_format = |path: &Path<'_>, value: &Value, schema: &Map<String, Value>| {
        value.is_string() && schema.contains_key("format") && path.to_string() == error.path()
    };
    let mistake = match mistake {
        None if !is_clear => root.find(&value, schema, &Path::Root, 0, &of_format),
        mistake => mistake,
    };
    match mistake {
        Some(mistake) => {
            let words = root.words(mistake.schema, 0);
            let mut message = format!("found {}, expected {words}", found(mistake.value));
            if !is_clear
                && !SAYS_NOTHING
                    .iter()
                    .any(|text| error.message().contains(text))
            {
                message = format!("{message} ({})", error.message());
            }
            ArgumentError::new(&mistake.path, message)
        }
        None => error,
    }
}

/// Where a value is, written only when it is wrong.
enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Place(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, name) => formatter.write_str(&clip(name)),
            Self::Key(parent, name) => write!(formatter, "{parent}.{}", clip(name)),
            Self::Place(parent, place) => write!(formatter, "{parent}[{place}]"),
        }
    }
}

/// Whether a path leads further down than another.
fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer)
        .is_some_and(|rest| rest.starts_with(['.', '[']) || outer.is_empty() && !rest.is_empty())
}

/// The path of the first key below `parent` that is not a number.
fn with_key(value: &Value, parent: &str) -> String {
    let steps = parent
        .split(['.', '[', ']'])
        .filter(|step| !step.is_empty());
    let at = steps
        .into_iter()
        .try_fold(value, |value, step| match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            value => value.get(step),
        });
    let mut keys = at.and_then(Value::as_object).into_iter().flatten();
    let key = keys.find(|(key, _)| key.parse::<f64>().is_err());
    let key = key.map_or("?", |(key, _)| key.as_str());
    match parent {
        "" => clip(key),
        parent => format!("{parent}.{}", clip(key)),
    }
}

/// A value that its schema does not admit.
struct Mistake<'a> {
    path: String,
    value: &'a Value,
    schema: &'a Map<String, Value>,
}

/// Whether a schema refuses a value, apart from what is in it.
fn is_refused(_: &Path<'_>, value: &Value, schema: &Map<String, Value>) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => value.is_null(),
    };
    let is_of_type = match schema.get("type") {
        None => true,
        Some(Value::Array(names)) => names.iter().any(is),
        Some(name) => is(name),
    };
    let number = |keyword| schema.get(keyword).and_then(Value::as_f64);
    let is_in_range = value.as_f64().is_none_or(|value| {
        number("minimum").is_none_or(|least| value >= least)
            && number("maximum").is_none_or(|most| value <= most)
    });
    let listed = schema.get("enum").and_then(Value::as_array);
    let required = schema.get("required").and_then(Value::as_array);
    let is_missing = |name: &Value| {
        let object = value.as_object().zip(name.as_str());
        object.is_some_and(|(object, name)| !object.contains_key(name))
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    let is_unknown =
        |name: &String| properties.is_none_or(|properties| !properties.contains_key(name));
    let mut names = value.as_object().into_iter().flat_map(Map::keys);
    is_closed && names.any(is_unknown)
        || !is_of_type
        || !is_in_range
        || listed.is_some_and(|values| !values.contains(value))
        || schema
            .get("const")
            .is_some_and(|constant| constant != value)
        || required.into_iter().flatten().any(is_missing)
}

/// Whether a value is wrong, given its path and its schema.
type IsWrong<'f> = &'f dyn Fn(&Path<'_>, &Value, &Map<String, Value>) -> bool;

/// Where to look.
struct Root<'s> {
    /// References lead into it.
    schema: &'s Value,
    /// The path that the decoder names. A schema may refuse more than a decoder does, so only what
    /// is above or below it counts.
    refused: &'s str,
    /// How many values may still be looked at: forms within forms are each tried.
    steps: Cell<usize>,
}

impl<'s> Root<'s> {
    /// What a schema is that may be a reference.
    fn resolved(&self, mut schema: &'s Value) -> Option<&'s Map<String, Value>> {
        for _ in 0..DEEPEST {
            let object = schema.as_object()?;
            match object.get("$ref").and_then(Value::as_str) {
                Some(reference) => schema = self.schema.pointer(reference.strip_prefix('#')?)?,
                None => return Some(object),
            }
        }
        None
    }

    /// The first value that is wrong, by its schema.
    fn find<'a>(
        &self,
        value: &'a Value,
        schema: &'a Value,
        path: &Path<'_>,
        depth: usize,
        is_wrong: IsWrong<'_>,
    ) -> Option<Mistake<'a>>
    where
        's: 'a,
    {
        self.steps.set(self.steps.get().checked_sub(1)?);
        let place = path.to_string();
        let is_on_the_way = place == self.refused
            || is_within(&place, self.refused)
            || is_within(self.refused, &place);
        if !is_on_the_way {
            return None;
        }
        let held = schema_of(schema);
        if value.is_null() && !std::ptr::eq(held, schema) {
            return None;
        }
        let schema = self.resolved(held).filter(|_| depth < DEEPEST)?;
        let wrong = || Mistake {
            path: place.clone(),
            value,
            schema,
        };
        let inside = |value: &'a Value, schema: &'a Value, path: &Path<'_>| {
            self.find(value, schema, path, depth + 1, is_wrong)
        };
        for branches in ["anyOf", "oneOf"]
            .iter()
            .filter_map(|key| schema.get(*key)?.as_array())
        {
            let mistakes: Vec<_> = branches
                .iter()
                .map(|branch| inside(value, branch, path))
                .collect();
            if mistakes.iter().any(Option::is_none) {
                continue;
            }
            let mut meant = branches
                .iter()
                .zip(mistakes)
                .filter(|(branch, _)| self.is_meant(value, branch));
            return match (meant.next(), meant.next()) {
                (Some((_, mistake)), None) => mistake,
                _ => Some(wrong()),
            };
        }
        for part in schema
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(mistake) = inside(value, part, path) {
                return Some(mistake);
            }
        }
        if is_wrong(path, value, schema) {
            return Some(wrong());
        }
        match value {
            Value::Object(members) => members.iter().find_map(|(name, value)| {
                let of_property = schema.get("properties").and_then(|of| of.get(name));
                let schema = of_property.or_else(|| schema.get("additionalProperties"))?;
                inside(value, schema, &Path::Key(path, name))
            }),
            Value::Array(items) => items.iter().enumerate().find_map(|(place, item)| {
                let of_place = schema.get("prefixItems").and_then(|of| of.get(place));
                let schema = of_place.or_else(|| schema.get("items"))?;
                inside(item, schema, &Path::Place(path, place))
            }),
            _ => None,
        }
    }

    /// Whether a value is meant as this form: it has the constant that the form is known by, or the
    /// one property that it requires.
    fn is_meant(&self, value: &Value, form: &'s Value) -> bool {
        let (Some(object), Some(form)) = (value.as_object(), self.resolved(form)) else {
            return false;
        };
        let properties = form.get("properties").and_then(Value::as_object);
        let mut constants = properties
            .into_iter()
            .flatten()
            .filter_map(|(name, schema)| Some((name, schema.get("const")?)))
            .peekable();
        if constants.peek().is_some() {
            return constants.all(|(name, constant)| object.get(name) == Some(constant));
        }
        let required = form.get("required").and_then(Value::as_array);
        let is_only = properties.is_some_and(|properties| properties.len() == 1);
        let name = required.and_then(|required| required.first()?.as_str());
        is_only && object.len() == 1 && name.is_some_and(|name| object.contains_key(name))
    }
}

/// Of an option, what it holds: `null` is never the mistake.
fn schema_of(schema: &Value) -> &Value {
    let branches = schema.get("anyOf").and_then(Value::as_array);
    match branches.map(Vec::as_slice) {
        Some([held, null]) if null["type"] == "null" => held,
        _ => schema,
    }
}

#[cfg(test)]
mod tests;
