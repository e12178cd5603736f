//! Objects: closed, with every property required, those that were optional or `null`.

use serde_json::{Value, json};

use super::reason::Obstacle;
use super::rewrite::{Rewriter, Rewritten};
use super::schema::Object;
use super::shape::nullable;

impl Rewriter<'_> {
    /// `properties`, `required` and `additionalProperties` of an object.
    pub(super) fn properties(&mut self, schema: &Object) -> Rewritten {
        let listed = schema.get("properties").and_then(Value::as_object);
        let more = [
            schema.get("additionalProperties"),
            schema.get("unevaluatedProperties"),
        ];
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        // Strict objects are closed, so a map of any keys cannot be expressed.
        if more.into_iter().flatten().any(|more| *more != false)
            || patterns.is_some_and(|patterns| !patterns.is_empty())
        {
            return Err(self.because(Obstacle::OpenMap));
        }
        let mut required: Vec<&str> = Vec::new();
        for name in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if listed.is_none_or(|listed| !listed.contains_key(name)) {
                return Err(self.because(Obstacle::Undescribed(name.to_owned())));
            }
            required.push(name);
        }
        // A tool without parameters may say nothing of them; a bare object further down may hold
        // anything.
        if listed.is_none_or(Object::is_empty)
            && more.iter().all(Option::is_none)
            && !self.path.is_empty()
        {
            return Err(self.because(Obstacle::Unlisted));
        }
        let required: std::collections::HashSet<&str> = required.into_iter().collect();
        let mut properties = Object::new();
        for (name, schema) in listed.into_iter().flatten() {
            let optional = !required.contains(name.as_str());
            if optional && *schema == false {
                continue; // can never be given
            }
            let rewritten = self.schema_at(&["properties", name], schema)?;
            let allows_null = optional && self.allows_null(schema);
            // "Set to null" and "not given" would become the same value.
            if allows_null && !self.is_same_absent(name, schema) {
                self.path.extend(["properties".to_owned(), name.clone()]);
                return Err(self.because(Obstacle::NullOrAbsent));
            }
            properties.insert(
                name.clone(),
                if optional && !allows_null {
                    nullable(rewritten)
                } else {
                    rewritten
                }
                .into(),
            );
        }
        if properties.is_empty() && self.profile.cautious && !self.path.is_empty() {
            return Err(self.because(Obstacle::EmptyObject));
        }
        // Strict mode requires every property; `null` replaces an absent one.
        let names: Vec<Value> = properties.keys().map(|name| json!(name)).collect();
        Ok(Object::from_iter([
            ("properties".to_owned(), properties.into()),
            ("required".to_owned(), names.into()),
            ("additionalProperties".to_owned(), false.into()),
        ]))
    }

    /// Whether a property that may be `null` and may be left out means the same in both cases: a
    /// strict schema leaves a model only `null` to write.
    fn is_same_absent(&self, name: &str, schema: &Value) -> bool {
        let is_known = self.path.is_empty() && (self.null_means_absent)(name);
        is_known && schema.get("default").is_none_or(Value::is_null)
    }
}
