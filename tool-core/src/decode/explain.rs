//! What is wrong with a value, by its schema: where decoders have no words for it that a model could
//! act on, or do not say where it is.

use std::cell::Cell;
use std::fmt;

use serde_json::{Map, Value};

use super::arguments::ArgumentError;

/// The most characters of a value that are quoted.
const MOST_QUOTED: usize = 100;

/// The most characters of a decoder's message.
const MOST_SAID: usize = 1_000;

/// The most values and forms that are listed.
const MOST_LISTED: usize = 20;

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

/// What decoders say of a value in one of several forms.
const SAYS_NOTHING: [&str; 4] = [
    "did not match any variant",
    "expected value",
    "tagged enum",
    "unit variant",
];

/// The same error in words that its schema has for it, if they say more. `schema` is that of the
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
    // A decoder may refuse more than a schema does: a text that is no date.
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
            Self::Key(Self::Root, name) => formatter.write_str(&cut(name)),
            Self::Key(parent, name) => write!(formatter, "{parent}.{}", cut(name)),
            Self::Place(parent, place) => write!(formatter, "{parent}[{place}]"),
        }
    }
}

/// Whether a path leads further down than another.
fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer)
        .is_some_and(|rest| rest.starts_with(['.', '[']) || outer.is_empty() && !rest.is_empty())
}

/// The path of the first key below `parent` that is no number.
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
        "" => cut(key),
        parent => format!("{parent}.{}", cut(key)),
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

    /// What a schema admits, in words.
    fn words(&self, schema: &'s Map<String, Value>, depth: usize) -> String {
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

/// Of an option, what it holds: `null` is never the mistake.
fn schema_of(schema: &Value) -> &Value {
    let branches = schema.get("anyOf").and_then(Value::as_array);
    match branches.map(Vec::as_slice) {
        Some([held, null]) if null["type"] == "null" => held,
        _ => schema,
    }
}

fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{}`", cut(text)),
        value => format!("`{}`", cut(&value.to_string())),
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

fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("boolean `{value}`"),
        Value::Number(number) if number.is_f64() => format!("number `{number}`"),
        Value::Number(number) => format!("integer `{number}`"),
        Value::String(text) => format!("string {:?}", cut(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(members) if members.is_empty() => "an empty object".to_owned(),
        Value::Object(members) => {
            let names = members
                .keys()
                .take(MOST_LISTED)
                .map(|name| format!("`{}`", cut(name)));
            format!("an object with {}", joined(names.collect(), "and"))
        }
    }
}

fn cut(text: &str) -> String {
    first(text, MOST_QUOTED)
}

fn first(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A message whose first quoted value is cut, which is what was found.
fn shortened(message: &str) -> String {
    let cut_message = || {
        let (before, rest) = message.split_at(message.find(['"', '`'])? + 1);
        let quote = before.chars().next_back()?;
        let is_escaped = |end: usize| rest[..end].ends_with('\\');
        let end = rest
            .match_indices(quote)
            .map(|(end, _)| end)
            .find(|end| !is_escaped(*end))?;
        let (quoted, after) = rest.split_at(end);
        Some(format!("{before}{}{after}", cut(quoted)))
    };
    let message = cut_message().unwrap_or_else(|| message.to_owned());
    first(&message, MOST_SAID)
}

#[cfg(test)]
mod tests {
    use super::super::param::Param;
    use schemars::JsonSchema;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Order {
        Rising,
        Falling,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only decoded")]
    enum Shape {
        Circle { radius: f64 },
        Line(f64, f64),
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    #[expect(dead_code, reason = "only decoded")]
    enum Tagged {
        A { number: u8 },
        B { text: String },
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only decoded")]
    enum Untagged {
        Number(u8),
        Text { text: String },
    }

    fn mistake<T: super::super::param::Parameter>(text: &str) -> String {
        let param: Param<T> = Param::new("p", "");
        match param.read(Some(text)) {
            Ok(_) => "none".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_variants_of_an_enum_are_named() {
        for (text, found) in [
            ("5", "integer `5`"),
            ("true", "boolean `true`"),
            ("null", "null"),
            ("[]", "a list"),
            ("{}", "an empty object"),
        ] {
            assert_eq!(
                mistake::<Order>(text),
                format!("`p`: found {found}, expected `rising` or `falling`")
            );
        }
        assert_eq!(
            mistake::<Option<Order>>("5"),
            "`p`: found integer `5`, expected `rising` or `falling`"
        );
        assert_eq!(
            mistake::<Order>("\"up\""),
            "`p`: unknown variant `up`, expected `rising` or `falling`"
        );
    }

    #[test]
    fn the_forms_of_a_value_are_named() {
        assert_eq!(
            mistake::<Shape>("{}"),
            "`p`: found an empty object, expected an object with `Circle` or an object with `Line`"
        );
        assert_eq!(
            mistake::<Shape>(r#"{"Circle": {"radius": 1}, "Line": [1, 2]}"#),
            "`p`: found an object with `Circle` and `Line`, expected an object with `Circle` or an object with `Line`"
        );
        assert_eq!(
            mistake::<Shape>("\"Circle\""),
            "`p`: found string \"Circle\", expected an object with `Circle` or an object with `Line`"
        );
        assert_eq!(
            mistake::<Tagged>("5"),
            "`p`: found integer `5`, expected an object with `kind`: `A` and `number` or an object with `kind`: `B` and `text`"
        );
        assert_eq!(
            mistake::<Untagged>("true"),
            "`p`: found boolean `true`, expected an integer from 0 to 255 or an object with `text`"
        );
    }

    #[test]
    fn a_mistake_in_a_form_has_its_path() {
        assert_eq!(
            mistake::<Tagged>(r#"{"kind": "A", "number": "x"}"#),
            "`p.number`: found string \"x\", expected an integer from 0 to 255"
        );
        assert_eq!(
            mistake::<Vec<Untagged>>(r#"[1, {"text": 5}]"#),
            "`p[1].text`: found integer `5`, expected a string"
        );
        assert_eq!(
            mistake::<BTreeMap<u8, u8>>(r#"{"1": 1, "a": 1}"#),
            "`p.a`: invalid value: expected key to be a number in quotes"
        );
    }

    #[test]
    fn forms_within_forms_take_no_time() {
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(tag = "kind")]
        #[expect(dead_code, reason = "only decoded")]
        enum Either {
            One { next: Box<Either> },
            Other { next: Box<Either> },
            End { number: u8 },
        }

        let inside = |inner: String, _| format!(r#"{{"kind": "One", "next": {inner}}}"#);
        let end = r#"{"kind": "End", "number": "x"}"#.to_owned();
        let value = (0..30).fold(end, inside);
        assert!(mistake::<Either>(&value).starts_with("`p"));
    }

    #[test]
    fn quoted_values_are_short() {
        let long = "x".repeat(500);
        let said = mistake::<u8>(&format!("{long:?}"));
        assert!(
            said.len() < 200 && said.ends_with("…\", expected u8"),
            "{said}"
        );
        let said = mistake::<Order>(&format!("{long:?}"));
        assert!(
            said.len() < 200 && said.ends_with("…`, expected `rising` or `falling`"),
            "{said}"
        );
        let quotes = "\\\"`".repeat(5_000);
        for said in [
            mistake::<u8>(&format!("\"{quotes}\"")),
            mistake::<Order>(&format!("\"{quotes}\"")),
        ] {
            assert!(said.chars().count() < 1_100, "{said}");
        }
    }

    #[test]
    fn null_is_no_mistake_where_a_value_is_optional() {
        #[derive(Debug, Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "only decoded")]
        struct Sorted {
            after: Option<Order>,
            by: Order,
        }

        assert_eq!(
            mistake::<Sorted>(r#"{"after": null, "by": 5}"#),
            "`p.by`: found integer `5`, expected `rising` or `falling`"
        );
    }

    #[test]
    fn a_key_that_is_a_question_is_no_unknown_key() {
        assert_eq!(
            mistake::<BTreeMap<String, Order>>(r#"{"why?": 5, "b": 1}"#),
            "`p.why?`: found integer `5`, expected `rising` or `falling`"
        );
    }

    #[test]
    fn only_what_the_decoder_refuses_is_a_mistake() {
        #[derive(Debug, Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "only decoded")]
        struct Filter {
            #[schemars(range(max = 10))]
            above: u64,
            order: Order,
        }

        assert_eq!(
            mistake::<Filter>(r#"{"above": 500, "order": 5}"#),
            "`p.order`: found integer `5`, expected `rising` or `falling`"
        );
    }
}
