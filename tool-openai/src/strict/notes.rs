//! Keywords that strict schemas cannot carry, as text for the description.

use serde_json::{Map, Value};

use super::schema::Object;
use super::shape::sentences;
use crate::Profile;

/// String formats that services enforce.
const FORMATS: [&str; 9] = [
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "time",
    "uuid",
];

/// The description of a schema, with what its annotations say.
pub(super) fn of(schema: &Object) -> String {
    let description = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut notes = Vec::new();
    // Strict schemas have no annotations: as text the model still reads them.
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        notes.push(format!("Default: {default}."));
    }
    let examples = schema
        .get("examples")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .chain(schema.get("example"));
    let examples: Vec<String> = examples.map(Value::to_string).collect();
    if !examples.is_empty() {
        notes.push(format!("For example: {}.", examples.join(", ")));
    }
    if schema.get("deprecated") == Some(&Value::Bool(true)) {
        notes.push("Deprecated.".to_owned());
    }
    for (keyword, what) in [
        ("contentEncoding", "Encoding"),
        ("contentMediaType", "Media type"),
    ] {
        notes.extend(
            schema
                .get(keyword)
                .and_then(Value::as_str)
                .map(|value| format!("{what}: {value}.")),
        );
    }
    sentences(description, &notes)
}

/// Moves the assertions of a plain schema of one type over to `strict` where the service takes
/// them; describes the others.
pub(super) fn carry(
    name: &str,
    schema: &Object,
    strict: &mut Object,
    profile: &Profile,
) -> Vec<String> {
    let mut notes = Vec::new();
    for keyword in keywords_of(name) {
        let Some(value) = schema.get(*keyword) else {
            continue;
        };
        match carries(keyword, value, profile) {
            // The tool checks it in any case; a note saves the model a failed call.
            true => drop(strict.insert((*keyword).to_owned(), value.clone())),
            false => notes.extend(words(keyword, value)),
        }
    }
    // `contains` and `not` hold schemas, which strict mode does not take.
    if name == "array" {
        notes.extend(
            schema
                .get("contains")
                .map(|contains| contained(contains, schema)),
        );
    }
    notes.extend(schema.get("not").and_then(excluded));
    notes
}

/// The assertions that mean something for a type, in the order in which they are written. The
/// keywords of another type say nothing about its values.
fn keywords_of(name: &str) -> &'static [&'static str] {
    match name {
        "string" => &["format", "pattern", "minLength", "maxLength"],
        "integer" | "number" => &[
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
        ],
        "array" => &["minItems", "maxItems", "uniqueItems"],
        "object" => &[
            "minProperties",
            "maxProperties",
            "dependentRequired",
            "propertyNames",
        ],
        _ => &[],
    }
}

/// Whether the service enforces the keyword with that value. A wrong `true` costs the whole request,
/// with all tools in it; a wrong `false` costs a sentence in the description.
fn carries(keyword: &str, value: &Value, profile: &Profile) -> bool {
    match keyword {
        "format" => {
            profile.constraints
                && value
                    .as_str()
                    .is_some_and(|format| FORMATS.contains(&format))
        }
        "pattern" => {
            profile.constraints
                && value
                    .as_str()
                    .is_some_and(|pattern| is_regular(pattern, profile.cautious))
        }
        // Not documented, but accepted by api.openai.com; others refuse the request.
        "minLength" | "maxLength" => profile.lengths && profile.constraints && value.is_u64(),
        "minItems" | "maxItems" => profile.constraints && value.is_u64(),
        // A step of 0 is invalid, and would cost the whole request.
        "multipleOf" => profile.constraints && value.as_f64().is_some_and(|step| step > 0.0),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
            profile.constraints && value.is_number()
        }
        _ => false,
    }
}

/// A keyword that the service does not take, as a sentence for the model.
fn words(keyword: &str, value: &Value) -> Option<String> {
    let counted = |one: &str, many: &str| {
        let count = value.as_f64()?;
        Some(format!("{value} {}", if count == 1.0 { one } else { many }))
    };
    let text = value.as_str();
    // Of a wrong type it means nothing, so it is not described.
    Some(match keyword {
        "format" => format!("Format: {}.", text?),
        "pattern" => format!("Pattern: {}", text?),
        "minLength" => format!("At least {}.", counted("character", "characters")?),
        "maxLength" => format!("At most {}.", counted("character", "characters")?),
        "minItems" => format!("At least {}.", counted("item", "items")?),
        "maxItems" => format!("At most {}.", counted("item", "items")?),
        // In strict mode absent properties are `null`, so these do not count.
        "minProperties" => format!(
            "At least {} that are not null.",
            counted("property", "properties")?
        ),
        "maxProperties" => format!(
            "At most {} that are not null.",
            counted("property", "properties")?
        ),
        "uniqueItems" => value.as_bool()?.then(|| "No item twice.".to_owned())?,
        "minimum" if !is_of_type(value) => format!("At least {value}."),
        "maximum" if !is_of_type(value) => format!("At most {value}."),
        "exclusiveMinimum" => format!("More than {value}."),
        "exclusiveMaximum" => format!("Less than {value}."),
        "multipleOf" => format!("A multiple of {value}."),
        "dependentRequired" => dependent(value.as_object()?)?,
        _ => return None,
    })
}

/// Whether it is the least or the most that an integer type of 32 or 64 bits holds, which is not
/// an intended bound.
fn is_of_type(limit: &Value) -> bool {
    let least = [
        i64::from(i32::MIN),
        i64::from(i32::MAX),
        i64::from(u32::MAX),
        i64::MIN,
        i64::MIN + 1024,
        i64::MAX,
    ];
    limit.as_i64().is_some_and(|limit| least.contains(&limit)) || limit.as_u64() == Some(u64::MAX)
}

/// Input:  `{"card": ["address", "name"]}`
/// Output: "`card` needs `address`, `name`."
fn dependent(required: &Map<String, Value>) -> Option<String> {
    let entries = required.iter().filter_map(|(name, others)| {
        let others: Vec<String> = others
            .as_array()?
            .iter()
            .filter_map(|other| Some(format!("`{}`", other.as_str()?)))
            .collect();
        (!others.is_empty()).then(|| format!("`{name}` needs {}.", others.join(", ")))
    });
    let entries: Vec<String> = entries.collect();
    (!entries.is_empty()).then(|| entries.join(" "))
}

/// What a `not` says, if it says anything.
fn excluded(not: &Value) -> Option<String> {
    let values = not
        .get("enum")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .chain(not.get("const"));
    let values: Vec<String> = values.map(Value::to_string).collect();
    // Listed values are easy to read; any other `not` is shown as JSON Schema.
    match not {
        Value::Bool(_) => None,
        _ if values.is_empty() => Some(format!("Must not match the JSON Schema {not}.")),
        _ => Some(format!("Not {}.", values.join(", "))),
    }
}

fn contained(contains: &Value, schema: &Object) -> String {
    let count = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
    // Without `minContains` one match is required.
    let least = format!("at least {}", count("minContains").unwrap_or(1));
    let most = count("maxContains")
        .map(|most| format!(", at most {most}"))
        .unwrap_or_default();
    format!("Of its items, {least}{most} must match the JSON Schema {contains}.")
}

/// Whether a pattern is one that a service can enforce: regular, so without looking around (`\b`
/// does) or back. Not all know more than the common escapes, or groups with names.
fn is_regular(pattern: &str, cautious: bool) -> bool {
    // A pattern that the service cannot compile fails the whole request.
    let escapes = if cautious {
        "dDwWsSnrtfv"
    } else {
        "dDwWsSnrtfvpPAzxu"
    };
    let mut rest = pattern;
    while let Some(at) = rest.find(['\\', '(']) {
        let (escape, after) = (rest[at..].starts_with('\\'), &rest[at + 1..]);
        let bad = match (escape, after.chars().next()) {
            // A backslash at the end escapes nothing.
            (true, None) => true,
            (true, Some(c)) => c.is_ascii_alphanumeric() && !escapes.contains(c),
            (false, _) => match after.strip_prefix('?') {
                None => false,
                Some(after) if cautious => !after.starts_with(':'),
                Some(after) => ["=", "!", "<=", "<!", ">", "#", "(", "P=", "P>"]
                    .iter()
                    .any(|group| after.starts_with(group)),
            },
        };
        if bad {
            return false;
        }
        // The escaped character is not the start of a group.
        let skipped = if escape {
            after.chars().next().map_or(0, char::len_utf8)
        } else {
            0
        };
        rest = &after[skipped..];
    }
    is_balanced(pattern)
}

/// Whether groups and classes are closed, at a glance.
fn is_balanced(pattern: &str) -> bool {
    let (mut groups, mut class, mut chars) = (0_usize, false, pattern.chars());
    while let Some(c) = chars.next() {
        match c {
            // Brackets count only outside of classes and escapes.
            '\\' => drop(chars.next()),
            ']' if class => class = false,
            _ if class => {}
            '[' => class = true,
            '(' => groups += 1,
            ')' => match groups.checked_sub(1) {
                Some(left) => groups = left,
                None => return false,
            },
            _ => {}
        }
    }
    groups == 0 && !class
}
