//! Schemas in parts: `allOf`, a reference with keywords beside it, branches with properties in
//! common. All of what the parts say holds, so they become one schema, or one for each of the forms
//! that they leave.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::notes;
use super::reason::{NotStrictError, Obstacle};
use super::rewrite::Rewriter;
use super::schema::{Object, is_assertion};
use super::shape::describe;

/// The most forms that parts may leave.
const MOST_FORMS: usize = 64;

impl Rewriter<'_> {
    /// The forms that a schema leaves, without what it says of itself: each a plain schema, `anyOf`
    /// and the like gone.
    pub(super) fn forms(&mut self, schema: &Object) -> Result<Vec<Object>, NotStrictError> {
        // By weight: merging copies what is in a schema, and `allOf` of unions multiplies.
        self.count_steps(1 + weight(schema))?;
        let mut forms = vec![assertions(schema)];
        if let Some(reference) = schema.get("$ref") {
            let parts = self.forms_behind(reference.as_str().unwrap_or_default())?;
            forms = self.both(&forms, &parts)?;
        }
        for part in schema
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let parts = self.forms_of(part)?;
            forms = self.both(&forms, &parts)?;
        }
        for branches in ["anyOf", "oneOf"]
            .iter()
            .filter_map(|key| schema.get(*key)?.as_array())
        {
            let mut parts = Vec::new();
            // Strict schemas have no `oneOf`: "one of" is read as "any of", which admits no less.
            for branch in branches {
                parts.extend(self.forms_of(branch)?);
            }
            forms = self.both(&forms, &parts)?;
        }
        Ok(forms)
    }

    /// The forms of what a reference leads to. A reference within itself would have endless forms.
    fn forms_behind(&mut self, reference: &str) -> Result<Vec<Object>, NotStrictError> {
        let root = self.root;
        let Some(target) = super::target(root, reference) else {
            return Err(self.because(Obstacle::Reference(reference.to_owned())));
        };
        if self.inlined.iter().any(|inlined| inlined == reference) {
            return Err(self.because(Obstacle::EndlessReference(reference.to_owned())));
        }
        // Inlined, since keywords beside a reference cannot be merged into a shared definition.
        self.inlined.push(reference.to_owned());
        let forms = self.forms_of(target)?;
        self.inlined.pop();
        Ok(forms)
    }

    /// As [`forms`](Self::forms), each with what the schema says of itself.
    fn forms_of(&mut self, schema: &Value) -> Result<Vec<Object>, NotStrictError> {
        match schema {
            // `true` adds nothing to the other parts, `false` leaves no form at all.
            Value::Bool(true) => Ok(vec![Object::new()]),
            Value::Bool(false) => Ok(Vec::new()),
            Value::Object(object) => self.deeper(|this| {
                // The text of a part would be lost with the part.
                let text = notes::of(object);
                Ok(this
                    .forms(object)?
                    .into_iter()
                    .map(|form| describe(form, &text))
                    .collect())
            }),
            _ => Err(self.because(Obstacle::NoSchema)),
        }
    }

    fn both(&mut self, some: &[Object], others: &[Object]) -> Result<Vec<Object>, NotStrictError> {
        let mut both = Vec::new();
        for one in some {
            for other in others {
                // Two unions give the product of their branches.
                self.count_steps(weight(one) + weight(other))?;
                both.extend(
                    merged(one, other).map_err(|keyword| self.because(Obstacle::Parts(keyword)))?,
                );
                if both.len() > MOST_FORMS {
                    return Err(self.because(Obstacle::Parts("anyOf".to_owned())));
                }
            }
        }
        Ok(both)
    }
}

fn assertions(schema: &Object) -> Object {
    let mut plain: Object = schema
        .iter()
        .filter(|(key, _)| is_assertion(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if let (Some(Value::Bool(true)), Some(Value::String(name))) =
        (schema.get("nullable"), schema.get("type"))
    // As a type, so that it takes part in the merge.
    {
        plain.insert("type".to_owned(), json!([name, "null"]));
    }
    plain
}

/// How many values there are in it.
fn weight(object: &Object) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::Object(object) => weight(object),
            Value::Array(values) => 1 + values.iter().map(of).sum::<usize>(),
            _ => 1,
        }
    }
    1 + object.values().map(of).sum::<usize>()
}

/// What both say, or nothing if no value can be both. Fails with the keyword on which they cannot
/// be merged.
fn merged(one: &Object, other: &Object) -> Result<Option<Object>, String> {
    // Beside places, `items` are what follows them; in another part, they are the places, too.
    let has = |schema: &Object, key: &str| schema.contains_key(key);
    if has(one, "prefixItems") != has(other, "prefixItems")
        && has(if has(one, "prefixItems") { other } else { one }, "items")
    {
        return Err("items".to_owned());
    }
    // Starts with one part, so that its order of keys stays.
    let mut both = one.clone();
    for (key, theirs) in other {
        let ours = match both.get(key) {
            Some(ours) if ours == theirs => continue,
            // Properties need both parts as a whole: they are merged at the end.
            Some(ours) if key != "properties" => ours,
            _ => {
                if key != "properties" {
                    both.insert(key.clone(), theirs.clone());
                }
                continue;
            }
        };
        let Some(merged) = merged_keyword(key, ours, theirs)? else {
            return Ok(None);
        };
        both.insert(key.clone(), merged);
    }
    Ok(merge_properties(one, other, &mut both).then_some(both))
}

fn merged_keyword(key: &str, ours: &Value, theirs: &Value) -> Result<Option<Value>, String> {
    let lesser = |order: Option<Ordering>| order == Some(Ordering::Less);
    Ok(Some(match key {
        "type" => match common_types(ours, theirs) {
            Some(types) => types,
            None => return Ok(None),
        },
        "enum" => {
            let theirs = theirs.as_array().map_or(&[][..], Vec::as_slice);
            let common: Vec<&Value> = ours
                .as_array()
                .into_iter()
                .flatten()
                .filter(|value| theirs.contains(value))
                .collect();
            // No common value: this combination describes nothing.
            match common.is_empty() {
                true => return Ok(None),
                false => json!(common),
            }
        }
        // Equal constants were skipped above, so these differ.
        "const" => return Ok(None),
        "required" => {
            let ours = ours.as_array().into_iter().flatten();
            let more = theirs
                .as_array()
                .into_iter()
                .flatten()
                .filter(|name| !ours.clone().any(|ours| ours == *name));
            ours.clone().chain(more).cloned().collect()
        }
        // Both must hold, so they are merged one level down.
        "items" | "propertyNames" => json!({ "allOf": [ours, theirs] }),
        "additionalProperties" | "unevaluatedProperties" => {
            // One closed part closes the whole.
            match ours == false || theirs == false {
                true => false.into(),
                false => json!({ "allOf": [ours, theirs] }),
            }
        }
        "uniqueItems" => true.into(),
        // Neither may match: not a and not b is not (a or b).
        "not" => json!({ "anyOf": [ours, theirs] }),
        "description" => format!(
            "{}\n{}",
            ours.as_str().unwrap_or_default(),
            theirs.as_str().unwrap_or_default()
        )
        .into(),
        // Of two bounds the narrower one holds.
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties"
        | "minContains" => {
            if lesser(compared(ours, theirs)) {
                theirs.clone()
            } else {
                ours.clone()
            }
        }
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties"
        | "maxContains" => {
            if lesser(compared(theirs, ours)) {
                theirs.clone()
            } else {
                ours.clone()
            }
        }
        // Two patterns, for example: there is no one keyword for both.
        _ => return Err(key.to_owned()),
    }))
}

fn compared(one: &Value, other: &Value) -> Option<Ordering> {
    // As integers first: floats would make large neighbours equal.
    match (one.as_i64(), other.as_i64()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

fn common_types(ours: &Value, theirs: &Value) -> Option<Value> {
    let names = |value: &Value| match value {
        Value::Array(names) => names.clone(),
        name => vec![name.clone()],
    };
    let theirs = names(theirs);
    let common = |name: Value| match () {
        () if theirs.contains(&name) => Some(name),
        // Every integer is a number, so the common part is `integer`.
        () if name == "integer" && theirs.iter().any(|their| their == "number") => Some(name),
        () if name == "number" && theirs.iter().any(|their| their == "integer") => {
            Some("integer".into())
        }
        () => None,
    };
    let mut common: Vec<Value> = names(ours).into_iter().filter_map(common).collect();
    match common.len() {
        0 => None,
        1 => common.pop(),
        _ => Some(common.into()),
    }
}

/// The properties of both, each as both describe it. Whether there can be such an object: one that
/// is closed has no room for what the other requires.
fn merge_properties(one: &Object, other: &Object, both: &mut Object) -> bool {
    let listed = |schema: &Object| schema.get("properties").and_then(Value::as_object).cloned();
    let (Some(ours), Some(theirs)) = (listed(one), listed(other)) else {
        let listed = listed(one).or(listed(other));
        both.extend(listed.map(|listed| ("properties".to_owned(), listed.into())));
        return true;
    };
    let required = |name: &str| {
        both.get("required")
            .and_then(Value::as_array)
            .is_some_and(|required| required.iter().any(|r| r == name))
    };
    let mut properties = Object::new();
    for (name, schema) in ours
        .iter()
        .chain(theirs.iter().filter(|(name, _)| !ours.contains_key(*name)))
    {
        let rest = |schema: &Object| {
            schema
                .get("additionalProperties")
                .cloned()
                .unwrap_or(Value::Bool(true))
        };
        let beside = match (ours.get(name), theirs.get(name)) {
            (Some(_), Some(theirs)) => theirs.clone(),
            (Some(_), None) => rest(other),
            _ => rest(one),
        };
        let schema = match beside {
            Value::Bool(true) => schema.clone(),
            // The other part is closed: a property it lacks cannot be given.
            Value::Bool(false) if required(name) => return false,
            Value::Bool(false) => continue,
            beside if beside == *schema => beside,
            beside => json!({ "allOf": [schema, beside] }),
        };
        properties.insert(name.clone(), schema);
    }
    both.insert("properties".to_owned(), properties.into());
    true
}
