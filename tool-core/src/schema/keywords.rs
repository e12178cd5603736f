//! The keywords of one schema. There are few: to look through them takes less time than to hash the
//! one that is meant.

use serde_json::{Map, Value};

pub(super) fn get<'s>(schema: &'s Map<String, Value>, keyword: &str) -> Option<&'s Value> {
    schema
        .iter()
        .find_map(|(key, value)| (key == keyword).then_some(value))
}

/// Removes one that is hardly ever there.
pub(super) fn remove(schema: &mut Map<String, Value>, keyword: &str) -> Option<Value> {
    get(schema, keyword)?;
    schema.remove(keyword)
}

pub(super) fn has_any(schema: &Map<String, Value>, keywords: &[&str]) -> bool {
    count(schema, keywords) > 0
}

/// How many of these there are.
pub(super) fn count(schema: &Map<String, Value>, keywords: &[&str]) -> usize {
    schema
        .keys()
        .filter(|key| keywords.contains(&key.as_str()))
        .count()
}
