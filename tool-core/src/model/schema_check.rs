//! Whether a value is a JSON Schema at all: the structural check of parameters that are known only
//! at run time.
//!
//! The rules are those of the meta-schema of draft 2020-12. A root that names an older draft may
//! use that draft's `items`, `additionalItems`, `$id` and `$anchor`; a list of `items` is taken in
//! every draft. Four points are stricter than the meta-schema, since such parameters are a mistake:
//!
//! - The root is an object, never true or false.
//! - `enum` lists at least one value.
//! - `exclusiveMinimum` and `exclusiveMaximum` are numbers, in every draft.
//! - A reference leads to a schema in the same document. Nothing is fetched.
//!
//! Patterns are not compiled. Unknown keywords are not checked.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::text::{clip, nearest, quotable};

/// What is wrong with a schema, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SchemaMistake {
    /// Names and indices from the root down: `properties.limit.minimum`, `anyOf[1].$ref`. Empty for
    /// the root.
    pub(crate) path: String,
    /// What is there, and what it must be.
    pub(crate) message: String,
}

/// The first mistake in document order, if any.
///
/// Nothing recurses: a document from elsewhere may be nested deeper than the stack allows. The time
/// is linear in the size of the document, apart from the lookup of JSON pointers.
pub(crate) fn check(schema: &Value) -> Result<(), SchemaMistake> {
    if !schema.is_object() {
        return Err(SchemaMistake {
            path: String::new(),
            message: format!("the schema is {}; it must be an object", described(schema)),
        });
    }
    let targets = Targets::of(schema);
    let mut walk = Walk::new(schema);
    while let Some(item) = walk.advance() {
        if let Err(message) = item.check(&targets) {
            let path = walk.path;
            return Err(SchemaMistake { path, message });
        }
    }
    Ok(())
}

/// What a value must be.
struct KeywordKind {
    fits: fn(&Value) -> bool,
    must_be: &'static str,
    inside: Contents,
}

impl KeywordKind {
    const fn new(fits: fn(&Value) -> bool, must_be: &'static str, inside: Contents) -> Self {
        Self {
            fits,
            must_be,
            inside,
        }
    }
}

/// What a value of a kind holds.
#[derive(Clone, Copy)]
enum Contents {
    /// Nothing that is checked further.
    Any,
    /// It is a schema.
    Keywords,
    /// An object whose values are of a kind, which may depend on the value.
    Values(fn(&Value) -> &'static KeywordKind),
    /// A list of at least one schema.
    Schemas,
    /// A list of at least one value.
    Choices,
    /// One type, or at least one different type.
    Types,
    /// Different names.
    Names,
    Reference,
}

static SCHEMA: KeywordKind = KeywordKind::new(
    is_schema,
    "a schema (an object, true or false)",
    Contents::Keywords,
);
static ITEMS: KeywordKind = KeywordKind::new(
    is_schema,
    "a schema (an object, true or false); a list of schemas belongs in `prefixItems`",
    Contents::Keywords,
);
static SCHEMAS: KeywordKind =
    KeywordKind::new(Value::is_array, "a list of schemas", Contents::Schemas);
static PROPERTIES: KeywordKind = KeywordKind::new(
    Value::is_object,
    "an object whose values are schemas",
    Contents::Values(|_| &SCHEMA),
);
static DEPENDENCIES: KeywordKind = KeywordKind::new(
    Value::is_object,
    "an object whose values are schemas or lists of property names",
    Contents::Values(|value| if value.is_array() { &NAMES } else { &SCHEMA }),
);
static NAMES: KeywordKind =
    KeywordKind::new(Value::is_array, "a list of property names", Contents::Names);
static NAMES_BY_NAME: KeywordKind = KeywordKind::new(
    Value::is_object,
    "an object whose values are lists of property names",
    Contents::Values(|_| &NAMES),
);
static TYPE: KeywordKind = KeywordKind::new(
    is_text_or_list,
    "the name of a type or a list of such names",
    Contents::Types,
);
static ENUM: KeywordKind = KeywordKind::new(Value::is_array, "a list of values", Contents::Choices);
static LIST: KeywordKind = KeywordKind::new(Value::is_array, "a list of values", Contents::Any);
static NUMBER: KeywordKind = KeywordKind::new(Value::is_number, "a number", Contents::Any);
static FACTOR: KeywordKind = KeywordKind::new(is_above_0, "a number above 0", Contents::Any);
static COUNT: KeywordKind = KeywordKind::new(is_count, "a whole number from 0", Contents::Any);
static BOOLEAN: KeywordKind = KeywordKind::new(Value::is_boolean, "true or false", Contents::Any);
static TEXT: KeywordKind = KeywordKind::new(Value::is_string, "a string", Contents::Any);
static ID: KeywordKind =
    KeywordKind::new(is_id, "a string with nothing after a `#`", Contents::Any);
static ANCHOR: KeywordKind = KeywordKind::new(
    is_anchor,
    "a string of letters, digits, `-`, `.` and `_` that begins with a letter or `_`",
    Contents::Any,
);
static REFERENCE: KeywordKind = KeywordKind::new(Value::is_string, "a string", Contents::Reference);

/// What a keyword takes. None for one that takes anything or is unknown.
fn kind_of(keyword: &str, value: &Value, older_draft: bool) -> Option<&'static KeywordKind> {
    Some(match keyword {
        // As the older drafts have it, which many a program writes without saying which it follows.
        "items"
            if value
                .as_array()
                .is_some_and(|list| older_draft || !list.is_empty()) =>
        {
            &SCHEMAS
        }
        "items" => &ITEMS,
        "additionalItems" if older_draft => &SCHEMA,
        "additionalProperties" | "unevaluatedProperties" | "unevaluatedItems" => &SCHEMA,
        "contains" | "propertyNames" | "not" | "if" | "then" | "else" => &SCHEMA,
        "contentSchema" => &SCHEMA,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => &SCHEMAS,
        "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
            &PROPERTIES
        }
        // The meta-schema of 2020-12 has kept it.
        "dependencies" => &DEPENDENCIES,
        "required" => &NAMES,
        "dependentRequired" => &NAMES_BY_NAME,
        "type" => &TYPE,
        "enum" => &ENUM,
        "examples" => &LIST,
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => &NUMBER,
        "multipleOf" => &FACTOR,
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties"
        | "minContains" | "maxContains" => &COUNT,
        "uniqueItems" | "readOnly" | "writeOnly" | "deprecated" => &BOOLEAN,
        "$id" if !older_draft => &ID,
        "$anchor" | "$dynamicAnchor" if !older_draft => &ANCHOR,
        "pattern" | "format" | "title" | "description" | "$comment" | "contentEncoding"
        | "contentMediaType" | "$schema" | "$id" | "$anchor" | "$dynamicAnchor" => &TEXT,
        "$ref" | "$dynamicRef" => &REFERENCE,
        _ => return None,
    })
}

fn is_schema(value: &Value) -> bool {
    value.is_object() || value.is_boolean()
}

fn is_text_or_list(value: &Value) -> bool {
    value.is_string() || value.is_array()
}

fn is_above_0(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number > 0.0)
}

/// To JSON Schema, 5.0 is as whole as 5.
fn is_count(value: &Value) -> bool {
    let whole = |number: f64| number >= 0.0 && number.fract() == 0.0;
    value.as_f64().is_some_and(whole)
}

fn is_id(value: &Value) -> bool {
    let fragment = |id: &str| id.split_once('#').map_or(0, |(_, fragment)| fragment.len());
    value.as_str().is_some_and(|id| fragment(id) == 0)
}

fn is_anchor(value: &Value) -> bool {
    let first = |char: char| char.is_ascii_alphabetic() || char == '_';
    let legal = |char: char| char.is_ascii_alphanumeric() || "-._".contains(char);
    let is_name = |name: &str| name.starts_with(first) && name.chars().all(legal);
    value.as_str().is_some_and(is_name)
}

/// A value that must be of a kind.
struct Item<'a> {
    value: &'a Value,
    kind: &'static KeywordKind,
    /// `minimum`, or `anyOf[1]` for a value in a list.
    name: Cow<'a, str>,
    /// How much of the walk's path comes before the name.
    parent: usize,
    /// What a `#` refers to: the nearest schema around it with an `$id`, or the root.
    base: &'a Value,
}

impl Item<'_> {
    fn check(&self, targets: &Targets<'_>) -> Result<(), String> {
        let KeywordKind { fits, inside, .. } = self.kind;
        if !fits(self.value) {
            return Err(self.misfit());
        }
        let least = match inside {
            Contents::Schemas => "schema",
            Contents::Choices => "value",
            Contents::Types => "type",
            _ => "",
        };
        match (inside, self.value) {
            (_, Value::Array(list)) if list.is_empty() && !least.is_empty() => {
                let name = quoted(&self.name);
                Err(format!("{name} is empty; list at least one {least}"))
            }
            (Contents::Types, Value::String(name)) => known_type(name),
            (Contents::Types, Value::Array(list)) => self.different(list, known_type),
            (Contents::Names, Value::Array(list)) => self.different(list, |_| Ok(())),
            (Contents::Reference, Value::String(to)) => targets.look_up(to, self.base),
            _ => Ok(()),
        }
    }

    fn misfit(&self) -> String {
        let (name, what, must_be) = (quoted(&self.name), described(self.value), self.kind.must_be);
        // A property may have that name too.
        let is_bound = std::ptr::eq(self.kind, &NUMBER) && self.name.starts_with("exclusive");
        let hint = match self.value {
            Value::Bool(_) if is_bound => format!(" ({what} is the form of draft 4)"),
            Value::Null if !self.name.ends_with(']') => ", or left out".to_owned(),
            _ => String::new(),
        };
        format!("{name} is {what}; it must be {must_be}{hint}")
    }

    fn different(
        &self,
        list: &[Value],
        check: fn(&str) -> Result<(), String>,
    ) -> Result<(), String> {
        let (name, mut seen) = (quoted(&self.name), HashSet::new());
        for value in list {
            let Some(text) = value.as_str() else {
                let (what, must_be) = (described(value), self.kind.must_be);
                return Err(format!("{name} lists {what}; it must be {must_be}"));
            };
            check(text)?;
            if !seen.insert(text) {
                return Err(format!("{name} lists {} twice; list it once", quoted(text)));
            }
        }
        Ok(())
    }
}

fn known_type(name: &str) -> Result<(), String> {
    const TYPES: [&str; 7] = [
        "array", "boolean", "integer", "null", "number", "object", "string",
    ];
    if TYPES.contains(&name) {
        return Ok(());
    }
    let fix = match nearest(name, TYPES) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the types are {}", TYPES.map(quoted).join(", ")),
    };
    Err(format!("there is no type {}; {fix}", quoted(name)))
}

/// What references can lead to.
struct Targets<'a> {
    root: &'a Value,
    ids: HashMap<&'a str, &'a Value>,
    anchors: HashSet<&'a str>,
}

impl<'a> Targets<'a> {
    /// A reference may come before what it refers to: all are collected before any is looked up.
    fn of(root: &'a Value) -> Self {
        let (mut ids, mut anchors) = (HashMap::new(), HashSet::new());
        let mut walk = Walk::new(root);
        while let Some(Item { value, kind, .. }) = walk.advance() {
            if !matches!(kind.inside, Contents::Keywords) {
                continue;
            }
            let text = |keyword| value.get(keyword).and_then(Value::as_str);
            if let Some(id) = text("$id") {
                ids.entry(id).or_insert(value);
                // An empty fragment means the same as none.
                ids.entry(id.trim_end_matches('#')).or_insert(value);
                anchors.extend(id.strip_prefix('#')); // the form of draft 7 and before
            }
            anchors.extend(["$anchor", "$dynamicAnchor"].into_iter().filter_map(text));
        }
        Self { root, ids, anchors }
    }

    fn look_up(&self, reference: &str, base: &Value) -> Result<(), String> {
        let (uri, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let places = match self.ids.get(uri) {
            _ if self.ids.contains_key(reference) => return Ok(()),
            // Many writers mean the root, even inside a schema with an `$id`.
            _ if reference.starts_with('#') => [base, self.root],
            Some(resource) => [*resource; 2],
            None => {
                let id = quoted(uri);
                return Err(format!(
                    "no schema here has the `$id` {id}; put a copy under `$defs`, and refer to that"
                ));
            }
        };
        let nothing = |to| format!("nothing is at {to}; define it there, or write the schema out");
        let to = quoted(reference);
        let Ok(fragment) = percent_decode_str(fragment).decode_utf8() else {
            return Err(nothing(to));
        };
        if fragment.is_empty() || self.anchors.contains(&*fragment) {
            return Ok(());
        }
        let found = || places.iter().filter_map(|place| place.pointer(&fragment));
        match found().find(|value| is_schema(value)).or(found().next()) {
            None => Err(nothing(to)),
            Some(value) if is_schema(value) => Ok(()),
            Some(value) => {
                let (what, must_be) = (described(value), SCHEMA.must_be);
                Err(format!("{to} leads to {what}; it must lead to {must_be}"))
            }
        }
    }
}

/// All values of a document that must be of some kind, in document order.
struct Walk<'a> {
    older_draft: bool,
    /// Where the latest item is.
    path: String,
    /// The next item last.
    waiting: Vec<Item<'a>>,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Value) -> Self {
        let root = Item {
            value: root,
            kind: &SCHEMA,
            name: Cow::Borrowed(""),
            parent: 0,
            base: root,
        };
        Self {
            older_draft: names_older_draft(root.value),
            path: String::new(),
            waiting: vec![root],
        }
    }

    fn advance(&mut self) -> Option<Item<'a>> {
        let item = self.waiting.pop()?;
        // Depth first: whatever holds this item also holds the latest one, so the path begins alike.
        self.path.truncate(item.parent);
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(&item.name);
        self.enter(&item);
        Some(item)
    }

    /// Adds what is directly inside an item, the first last.
    fn enter(&mut self, item: &Item<'a>) {
        let (parent, older_draft, value) = (self.path.len(), self.older_draft, item.value);
        let inside = |(name, value): (&'a String, &'a Value), kind, base| Item {
            value,
            kind,
            name: Cow::Borrowed(name.as_str()),
            parent,
            base,
        };
        match (item.kind.inside, value) {
            (Contents::Keywords, Value::Object(keywords)) => {
                let id = keywords.get("$id").and_then(Value::as_str);
                // An `$id` like `#name` is an anchor of the draft 7 kind.
                let base = match id {
                    Some(id) if !id.starts_with('#') => value,
                    _ => item.base,
                };
                self.waiting
                    .extend(keywords.iter().rev().filter_map(|entry| {
                        let kind = kind_of(entry.0, entry.1, older_draft)?;
                        Some(inside(entry, kind, base))
                    }));
            }
            (Contents::Values(kind), Value::Object(values)) => {
                let entries = values.iter().rev();
                let items = entries.map(|entry| inside(entry, kind(entry.1), item.base));
                self.waiting.extend(items);
            }
            (Contents::Schemas, Value::Array(list)) => {
                let values = list.iter().enumerate().rev();
                self.waiting.extend(values.map(|(index, value)| Item {
                    value,
                    kind: &SCHEMA,
                    name: Cow::Owned(format!("{}[{index}]", item.name)),
                    ..*item
                }));
            }
            _ => {}
        }
    }
}

fn names_older_draft(root: &Value) -> bool {
    const OLDER: [&str; 4] = [
        "json-schema.org/draft-04/schema",
        "json-schema.org/draft-06/schema",
        "json-schema.org/draft-07/schema",
        "json-schema.org/draft/2019-09/schema",
    ];
    let draft = root.get("$schema").and_then(Value::as_str);
    let name = draft.and_then(|draft| draft.split_once("://"));
    name.is_some_and(|(_, name)| OLDER.contains(&name.trim_end_matches('#')))
}

/// What a value is, on one line.
fn described(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => clip(&value.to_string()),
        Value::String(text) => format!("the string {}", quoted(text)),
        Value::Array(list) if list.is_empty() => "an empty list".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// The text as code, on one line and not too long.
fn quoted(text: &str) -> String {
    format!("`{}`", quotable(text))
}

#[cfg(test)]
mod tests;
