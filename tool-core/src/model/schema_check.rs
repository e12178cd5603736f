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
//! Patterns are not compiled. Unknown keywords are not looked into.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::text::{clip, nearest};

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
    /// A reference may come before what it refers to: all are gathered before any is looked up.
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
    let on_one_line = |char: char| if char.is_control() { ' ' } else { char };
    let text: String = clip(text).chars().map(on_one_line).collect();
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::json;

    const DRAFT_7: &str = "http://json-schema.org/draft-07/schema#";

    fn mistakes(cases: &[(Value, &str, &str)]) {
        for (schema, path, message) in cases {
            let mistake = SchemaMistake {
                path: (*path).to_owned(),
                message: (*message).to_owned(),
            };
            assert_eq!(check(schema), Err(mistake), "{schema}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_shape_is_a_mistake() {
        #[rustfmt::skip]
        mistakes(&[
            (json!([]), "", "the schema is an empty list; it must be an object"),
            (json!([{}]), "", "the schema is a list; it must be an object"),
            (json!("object"), "", "the schema is the string `object`; it must be an object"),
            (json!(true), "", "the schema is true; it must be an object"),
            (json!(null), "", "the schema is null; it must be an object"),
            (json!({"properties": []}), "properties",
             "`properties` is an empty list; it must be an object whose values are schemas"),
            (json!({"properties": {"a": null}}), "properties.a",
             "`a` is null; it must be a schema (an object, true or false), or left out"),
            (json!({"properties": {"limit": {"minimum": null}}}), "properties.limit.minimum",
             "`minimum` is null; it must be a number, or left out"),
            (json!({"maximum": "9"}), "maximum", "`maximum` is the string `9`; it must be a number"),
            (json!({"exclusiveMinimum": true}), "exclusiveMinimum",
             "`exclusiveMinimum` is true; it must be a number (true is the form of draft 4)"),
            (json!({"$schema": "http://json-schema.org/draft-04/schema#", "exclusiveMaximum": false}),
             "exclusiveMaximum",
             "`exclusiveMaximum` is false; it must be a number (false is the form of draft 4)"),
            (json!({"dependentRequired": {"exclusiveMinimum": true}}),
             "dependentRequired.exclusiveMinimum",
             "`exclusiveMinimum` is true; it must be a list of property names"),
            (json!({"multipleOf": 0}), "multipleOf",
             "`multipleOf` is 0; it must be a number above 0"),
            (json!({"minLength": -1}), "minLength",
             "`minLength` is -1; it must be a whole number from 0"),
            (json!({"maxItems": 1.5}), "maxItems",
             "`maxItems` is 1.5; it must be a whole number from 0"),
            (json!({"uniqueItems": "true"}), "uniqueItems",
             "`uniqueItems` is the string `true`; it must be true or false"),
            (json!({"description": ["a"]}), "description", "`description` is a list; it must be a string"),
            (json!({"examples": {}}), "examples", "`examples` is an object; it must be a list of values"),
            (json!({"additionalProperties": "no"}), "additionalProperties",
             "`additionalProperties` is the string `no`; it must be a schema (an object, true or false)"),
            (json!({"items": []}), "items",
             "`items` is an empty list; it must be a schema (an object, true or false); a list of schemas belongs in `prefixItems`"),
            (json!({"$schema": DRAFT_7, "items": [{}, 5]}), "items[1]",
             "`items[1]` is 5; it must be a schema (an object, true or false)"),
            (json!({"$defs": {"A": {"not": {"pattern": 1}}}}), "$defs.A.not.pattern",
             "`pattern` is 1; it must be a string"),
            (json!({"anyOf": [{}, {"oneOf": [null]}]}), "anyOf[1].oneOf[0]",
             "`oneOf[0]` is null; it must be a schema (an object, true or false)"),
            (json!({"dependencies": {"a": 5}}), "dependencies.a",
             "`a` is 5; it must be a schema (an object, true or false)"),
            (json!({"$id": "a#b"}), "$id",
             "`$id` is the string `a#b`; it must be a string with nothing after a `#`"),
            (json!({"$anchor": "1"}), "$anchor",
             "`$anchor` is the string `1`; it must be a string of letters, digits, `-`, `.` and `_` that begins with a letter or `_`"),
        ]);
    }

    #[test]
    fn a_list_that_is_empty_or_repeats_is_a_mistake() {
        #[rustfmt::skip]
        mistakes(&[
            (json!({"type": []}), "type", "`type` is empty; list at least one type"),
            (json!({"enum": []}), "enum", "`enum` is empty; list at least one value"),
            (json!({"anyOf": []}), "anyOf", "`anyOf` is empty; list at least one schema"),
            (json!({"$schema": DRAFT_7, "items": []}), "items",
             "`items` is empty; list at least one schema"),
            (json!({"enum": "a"}), "enum", "`enum` is the string `a`; it must be a list of values"),
            (json!({"type": ["string", "null", "string"]}), "type",
             "`type` lists `string` twice; list it once"),
            (json!({"type": ["string", null]}), "type",
             "`type` lists null; it must be the name of a type or a list of such names"),
            (json!({"required": true}), "required",
             "`required` is true; it must be a list of property names"),
            (json!({"required": ["a", 1]}), "required",
             "`required` lists 1; it must be a list of property names"),
            (json!({"dependentRequired": {"a": ["b", "b"]}}), "dependentRequired.a",
             "`a` lists `b` twice; list it once"),
            (json!({"dependencies": {"a": ["b", "b"]}}), "dependencies.a",
             "`a` lists `b` twice; list it once"),
        ]);
    }

    #[test]
    fn an_unknown_type_is_a_mistake() {
        #[rustfmt::skip]
        mistakes(&[
            (json!({"type": "strng"}), "type", "there is no type `strng`; did you mean `string`?"),
            (json!({"type": ["null", "Integer"]}), "type",
             "there is no type `Integer`; did you mean `integer`?"),
            (json!({"type": "date\n"}), "type",
             "there is no type `date `; the types are `array`, `boolean`, `integer`, `null`, `number`, `object`, `string`"),
            (json!({"type": 5}), "type",
             "`type` is 5; it must be the name of a type or a list of such names"),
        ]);
        let long = check(&json!({"type": "x".repeat(5_000)})).unwrap_err();
        assert!(long.message.contains(&format!("`{}…`", "x".repeat(100))));
    }

    #[test]
    fn a_reference_that_leads_nowhere_is_a_mistake() {
        #[rustfmt::skip]
        mistakes(&[
            (json!({"properties": {"a": {"$ref": "#/$defs/Visit"}}}), "properties.a.$ref",
             "nothing is at `#/$defs/Visit`; define it there, or write the schema out"),
            (json!({"anyOf": [{}, {"$ref": "#visit"}]}), "anyOf[1].$ref",
             "nothing is at `#visit`; define it there, or write the schema out"),
            (json!({"$dynamicRef": "#/%FF", "\u{FFFD}": {}}), "$dynamicRef",
             "nothing is at `#/%FF`; define it there, or write the schema out"),
            (json!({"$ref": "#/required", "required": ["a"]}), "$ref",
             "`#/required` leads to a list; it must lead to a schema (an object, true or false)"),
            (json!({"$ref": "visit.json#/a"}), "$ref",
             "no schema here has the `$id` `visit.json`; put a copy under `$defs`, and refer to that"),
            (json!({"$ref": ""}), "$ref",
             "no schema here has the `$id` ``; put a copy under `$defs`, and refer to that"),
            (json!({"$ref": null}), "$ref", "`$ref` is null; it must be a string, or left out"),
            // Neither an unknown keyword nor a value declares anything.
            (json!({"$ref": "#a", "x": {"$anchor": "a"}, "const": {"$anchor": "a"}}), "$ref",
             "nothing is at `#a`; define it there, or write the schema out"),
        ]);
    }

    #[test]
    fn the_first_mistake_in_document_order_is_reported() {
        let schema = json!({
            "properties": {"a": {"$ref": "#/$defs/B"}, "c": {"type": "strng"}},
            "required": true,
            "$defs": {"A": 5},
        });
        assert_eq!(check(&schema).unwrap_err().path, "properties.a.$ref");
        let schema = json!({"allOf": [{"not": {"not": {}}}, {"if": 1}], "title": 1});
        assert_eq!(check(&schema).unwrap_err().path, "allOf[1].if");
    }

    #[test]
    fn a_schema_has_no_mistake() {
        let schemas = [
            json!({}),
            json!({"type": "object", "properties": {"$ref": {"type": ["string", "null"]}, "type": true}}),
            json!({"properties": {"a": {"$ref": "#"}}, "items": {"$dynamicRef": "#"}}),
            json!({"$ref": "#/$defs/a~1b~0c%20d", "$defs": {"a/b~c d": false}}),
            json!({"$ref": "#/anyOf/1/items", "anyOf": [{}, {"items": true}]}),
            json!({"$ref": "#here", "$dynamicRef": "#there", "not": {"$anchor": "here", "not": {"$dynamicAnchor": "there"}}}),
            json!({"$id": "urn:root", "anyOf": [{"$ref": "urn:root"}, {"$ref": "urn:root#"}, {"$ref": "urn:root#/anyOf/0"}]}),
            json!({"$defs": {"A": {"$id": "urn:a#", "$defs": {"B": {}}, "anyOf": [{"$ref": "#/$defs/B"}, {"$ref": "#/$defs/A"}]}}, "$ref": "urn:a#/$defs/B"}),
            json!({"$ref": "#/components/Pet", "components": {"Pet": {"type": "nonsense"}}}),
            json!({"$schema": DRAFT_7, "items": [{"$ref": "#/definitions/A"}, true], "additionalItems": false, "definitions": {"A": {"$id": "#a"}, "B": {"$ref": "#a"}}, "dependencies": {"a": ["b"], "c": {}}}),
            json!({"$schema": "https://json-schema.org/draft/2019-09/schema", "items": [{}]}),
            json!({"additionalProperties": false, "not": true, "allOf": [true, false]}),
            json!({"x-order": null, "nullable": [], "additionalItems": "odd", "enumNames": {"type": 7}}),
            json!({"const": {"type": "strng"}, "default": {"$ref": "#/no"}, "examples": [{"type": 1}], "enum": [{"type": 1}, null]}),
            json!({"minLength": 5.0, "maxLength": u64::MAX, "multipleOf": 0.01, "minimum": -1, "exclusiveMaximum": 1e300}),
            json!({"required": [], "dependentRequired": {"a": ["b"]}, "pattern": "(", "format": "odd"}),
        ];
        for schema in schemas {
            assert_eq!(check(&schema), Ok(()), "{schema}");
        }
    }

    /// The check runs on a small stack. The value does not: serde_json drops it recursively.
    #[test]
    fn a_deep_schema_needs_no_stack() {
        const DEPTH: usize = 21_000;
        // Not `json!`, which copies what it is given.
        let object =
            |key: &str, value| Value::Object([(key.to_owned(), value)].into_iter().collect());
        let nested = |leaf: Value| {
            (0..DEPTH).fold(leaf, |inner, depth| match depth % 3 {
                0 => object("not", inner),
                1 => object("properties", object("a", inner)),
                _ => object("allOf", Value::Array(vec![inner])),
            })
        };
        let on_stack = |size: usize, run: &(dyn Fn() + Sync)| {
            std::thread::scope(|scope| {
                let thread = std::thread::Builder::new().stack_size(size);
                thread.spawn_scoped(scope, run).unwrap().join().unwrap();
            });
        };
        on_stack(1 << 28, &|| {
            let (good, bad) = (nested(json!({})), nested(json!({"type": "strng"})));
            let value = object("const", nested(json!(5)));
            on_stack(1 << 17, &|| {
                assert!(check(&good).is_ok() && check(&value).is_ok());
                let mistake = check(&bad).unwrap_err();
                assert!(mistake.path.ends_with(".not.type"));
                assert_eq!(mistake.path.matches("properties.a").count(), DEPTH / 3);
            });
        });
    }

    /// A value that most keywords do not take.
    fn odd() -> impl Strategy<Value = Value> {
        select(vec![
            json!(null),
            json!(true),
            json!(-1),
            json!(0),
            json!(0.5),
            json!(5.0),
            json!("no"),
            json!("string"),
            json!("#"),
            json!("#/properties/a"),
            json!("a#b"),
            json!("1a"),
            json!([]),
            json!([null]),
            json!([{}, true]),
            json!(["string"]),
            json!(["a", "a"]),
            json!({}),
            json!({"a": 5}),
            json!({"a": ["b"]}),
        ])
    }

    /// A keyword with a value that it takes, or, sometimes, with an odd one.
    fn keyword(
        inner: BoxedStrategy<Value>,
        odd_names: bool,
    ) -> impl Strategy<Value = (String, Value)> {
        let names = || vec(select(vec!["a", "b", "c"]), 0..2);
        let with = |keywords: &[&'static str], value: BoxedStrategy<Value>| {
            (
                select(keywords.to_vec()),
                prop_oneof![12 => value, 1 => odd()],
            )
                .boxed()
        };
        let named = |keywords: &[&'static str], value: BoxedStrategy<Value>| {
            if odd_names {
                return with(keywords, value);
            }
            (select(keywords.to_vec()), value).boxed()
        };
        let from = |values: &[Value]| select(values.to_vec()).boxed();
        let by_name = |value: BoxedStrategy<Value>| {
            let map = btree_map(select(vec!["a", "b", "c"]), value, 0..3);
            map.prop_map(|map| json!(map)).boxed()
        };
        #[rustfmt::skip]
        let groups = [
            with(&["items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else",
                   "unevaluatedItems", "unevaluatedProperties", "contentSchema", "additionalItems"], inner.clone()),
            with(&["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"],
                 by_name(inner.clone())),
            with(&["allOf", "anyOf", "oneOf", "prefixItems"], vec(inner, 1..3).prop_map(Value::from).boxed()),
            with(&["dependentRequired", "dependencies"], by_name(names().prop_map(Value::from).boxed())),
            with(&["required"], names().prop_map(Value::from).boxed()),
            with(&["type"], from(&[json!("string"), json!("null"), json!(["array", "integer"])])),
            with(&["enum", "examples"], from(&[json!([1]), json!([1, 1]), json!([null, {}])])),
            with(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"], from(&[json!(-5), json!(0.5)])),
            with(&["multipleOf"], from(&[json!(3), json!(0.01)])),
            with(&["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains",
                   "maxContains"], from(&[json!(0), json!(7), json!(7.0)])),
            with(&["uniqueItems", "readOnly", "writeOnly", "deprecated"], any::<bool>().prop_map(Value::from).boxed()),
            with(&["pattern", "format", "title", "description", "$comment", "contentEncoding", "contentMediaType"],
                 from(&[json!("a"), json!("")])),
            named(&["$id"], from(&[json!("urn:a"), json!("https://example.com/a#")])),
            named(&["$anchor", "$dynamicAnchor"], from(&[json!("here"), json!("there")])),
            with(&["$ref", "$dynamicRef"], from(&[json!("#"), json!("#"), json!("#/properties/a"), json!("#here"), json!("urn:a")])),
            with(&["const", "default", "unknown"], odd().boxed()),
        ];
        proptest::strategy::Union::new(groups)
            .prop_map(|(keyword, value)| (keyword.to_owned(), value))
    }

    fn schema(odd_names: bool) -> impl Strategy<Value = Value> {
        let object = move |inner: BoxedStrategy<Value>| {
            vec(keyword(inner, odd_names), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect()))
        };
        let leaf = prop_oneof![Just(json!({})), any::<bool>().prop_map(Value::from)];
        let inner = leaf.prop_recursive(3, 24, 4, move |inner| object(inner.boxed()));
        prop_oneof![40 => object(inner.boxed()), 1 => odd()]
    }

    /// Whether the mistake is none to the meta-schema.
    fn is_stricter(SchemaMistake { path, message }: &SchemaMistake) -> bool {
        let leads_nowhere = ["nothing is at", "`#", "no schema here has the `$id`"];
        path.is_empty()
            || path.ends_with("enum") && message.contains("is empty")
            || path.to_lowercase().ends_with("ref")
                && leads_nowhere.iter().any(|start| message.starts_with(start))
    }

    /// The same with lists of items as 2020-12 has them.
    fn with_prefix_items(mut schema: Value) -> Value {
        match &mut schema {
            Value::Object(keywords) => {
                if let Some(Value::Array(_)) = keywords.get("items")
                    && let Some(items) = keywords.remove("items")
                {
                    keywords.insert("prefixItems".to_owned(), items);
                }
                keywords
                    .values_mut()
                    .for_each(|value| *value = with_prefix_items(value.take()));
            }
            Value::Array(list) => list
                .iter_mut()
                .for_each(|value| *value = with_prefix_items(value.take())),
            _ => {}
        }
        schema
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn the_check_agrees_with_the_meta_schema(schema in schema(true)) {
            let checked = check(&schema);
            let lawful = jsonschema::draft202012::meta::is_valid(&with_prefix_items(schema));
            match checked {
                Ok(()) => prop_assert!(lawful),
                Err(mistake) => prop_assert!(!lawful || is_stricter(&mistake), "{:?}", mistake),
            }
        }

        // Without odd names: 2019-09 has its own rules for them.
        #[test]
        fn what_is_accepted_is_a_schema_of_an_older_draft(
            schema in schema(false),
            draft in select(vec![DRAFT_7, "http://json-schema.org/draft-06/schema#", "https://json-schema.org/draft/2019-09/schema"]),
        ) {
            let mut schema = schema;
            if let Some(keywords) = schema.as_object_mut() {
                keywords.insert("$schema".to_owned(), draft.into());
            }
            if check(&schema).is_ok() {
                prop_assert!(jsonschema::meta::is_valid(&schema));
            }
        }
    }
}
