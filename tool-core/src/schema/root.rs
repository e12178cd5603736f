//! The schema of a tool's arguments as a whole.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::definitions::{drop_unused_definitions, resolved};
use super::join::join_parts;
use super::property::Property;
use super::tidy::{is_type, is_type_of, tidy};

/// The parameters schema of one tool. Properties are in the order of `params`.
pub(crate) fn of_parameters<P: Property + ?Sized>(params: &[&P]) -> Value {
    // A generator of its own for each tool: names in `$defs` cannot depend on other tools.
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut properties = Map::with_capacity(params.len());
    let mut required = Vec::with_capacity(params.len());
    for param in params {
        properties.insert(
            param.name().to_owned(),
            param.property(&mut generator).to_value(),
        );
        if param.is_required() {
            required.push(Value::from(param.name()));
        }
    }
    // `json!` would copy the properties.
    let root = Map::from_iter([
        ("type".to_owned(), "object".into()),
        ("properties".to_owned(), properties.into()),
        ("required".to_owned(), required.into()),
        ("additionalProperties".to_owned(), false.into()),
    ]);
    finish(root.into(), &mut generator)
}

fn finish(mut root: Value, generator: &mut SchemaGenerator) -> Value {
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        root["$defs"] = definitions.into();
    }
    let mut root = Schema::try_from(root).unwrap_or_default();
    join_parts(&mut root);
    drop_unused_definitions(&mut root);
    tidy(&mut root);
    root.to_value()
}

/// The parameters schema of a tool that takes its arguments as one value.
///
/// Services accept a plain object only, so what is an object in one of several forms becomes one
/// with the properties of all, of which those are required that every form requires. Deciding
/// between the forms is left to the tool.
pub(crate) fn of_object<P: Property + ?Sized>(params: &[&P]) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let root = params
        .first()
        .map(|param| param.property(&mut generator).to_value())
        .unwrap_or_default();
    let root = match root {
        Value::Bool(true) => {
            json!({ "type": "object", "properties": {}, "additionalProperties": true })
        }
        root => root,
    };
    let root = resolved(root, generator.definitions());
    let mut schema = Schema::try_from(finish(root, &mut generator)).unwrap_or_default();
    if let Some(object) = schema.as_object_mut() {
        unite(object);
        if is_type(object, &["object"]) {
            object.entry("properties").or_insert_with(|| json!({}));
        }
    }
    drop_unused_definitions(&mut schema);
    schema.to_value()
}

/// The schema of a value as it is serialised.
pub(crate) fn of_output<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut generator = settings.into_generator();
    let root = of_type::<T>(&mut generator).to_value();
    let root = match root {
        Value::Bool(_) => json!({}), // any value
        root => resolved(root, generator.definitions()),
    };
    finish(root, &mut generator)
}

/// Input:  `{"anyOf": [{"properties": {"kind": {"const": "a"}, "x": …}, …}, {"properties": {"kind": {"const": "b"}}, …}]}`
/// Output: `{"properties": {"kind": {"anyOf": [{"const": "a"}, {"const": "b"}]}, "x": …}, "required": ["kind"], …}`
fn unite(root: &mut Map<String, Value>) {
    let Some(Value::Array(forms)) = root.remove("anyOf") else {
        return;
    };
    let definitions = root
        .get("$defs")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    // A call never has any other form.
    let forms = forms
        .into_iter()
        .map(|form| resolved(form, &definitions))
        .filter(|form| is_type_of(form, "object"));
    let forms: Vec<Value> = forms.collect();
    let is_open = |form: &Map<String, Value>| {
        form.get("additionalProperties")
            .is_some_and(|more| more != false)
    };
    let open = is_open(root) || forms.iter().filter_map(Value::as_object).any(is_open);
    let properties = root.entry("properties").or_insert_with(|| json!({}));
    for (name, schema) in forms
        .iter()
        .flat_map(|form| form["properties"].as_object().into_iter().flatten())
    {
        let seen = match properties.get(name) {
            None => schema.clone(),
            Some(seen) if seen == schema => continue,
            Some(seen) => either(seen, schema),
        };
        properties[name] = seen;
    }
    let requires = |form: &Value, name: &Value| {
        form["required"]
            .as_array()
            .is_some_and(|required| required.contains(name))
    };
    let (first, others) = forms.split_first().unwrap_or((&Value::Null, &[]));
    let common = first["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|name| others.iter().all(|form| requires(form, name)));
    if let Some(required) = root
        .entry("required")
        .or_insert_with(|| json!([]))
        .as_array_mut()
    {
        required.extend(common.cloned());
    }
    root.insert("type".to_owned(), "object".into());
    root.insert("additionalProperties".to_owned(), open.into());
}

fn either(one: &Value, other: &Value) -> Value {
    match one
        .get("anyOf")
        .and_then(Value::as_array)
        .filter(|_| one.as_object().is_some_and(|one| one.len() == 1))
    {
        Some(branches) if branches.contains(other) => one.clone(),
        Some(branches) => {
            let branches: Vec<&Value> = branches.iter().chain([other]).collect();
            json!({ "anyOf": branches })
        }
        None => json!({ "anyOf": [one, other] }),
    }
}

/// The schema of one type, with its definitions left in the generator.
pub(crate) fn of_type<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    // One without a definition needs no name for it.
    if T::inline_schema() {
        T::json_schema(generator)
    } else {
        generator.subschema_for::<T>()
    }
}

/// Puts `description` in front; a type's own is behind the parameter's.
pub(crate) fn describe(mut schema: Schema, description: &str) -> Schema {
    let description = trimmed(description);
    if !description.is_empty() {
        schema
            .ensure_object()
            .shift_insert(0, "description".to_owned(), description.into());
    }
    schema
}

/// A description without outer blank lines, which text that is included by its author's code may
/// have.
pub(crate) fn trimmed(description: &str) -> &str {
    description.trim_matches('\n').trim_end()
}
