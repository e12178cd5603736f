//! Lists, and tuples that are lists of one type.

use serde_json::{Value, json};

use super::reason::Obstacle;
use super::rewrite::{Rewriter, Rewritten};
use super::schema::Object;

impl Rewriter<'_> {
    /// `items` of a list; of a tuple, how many there are, too.
    pub(super) fn items(&mut self, schema: &Object) -> Rewritten {
        if schema.get("unevaluatedItems").is_some_and(|more| *more != false) {
            return Err(self.because(Obstacle::Keyword("unevaluatedItems")));
        }
        // Before 2020, the places of a tuple stood in `items`, and what follows them in `additionalItems`.
        let (places, rest) = match (schema.get("prefixItems"), schema.get("items")) {
            (Some(Value::Array(places)), rest) => (places.as_slice(), rest),
            (_, Some(Value::Array(places))) => (places.as_slice(), schema.get("additionalItems")),
            (_, rest) => (&[][..], rest),
        };
        let mut strict = Object::new();
        let of = match (places.split_first(), rest) {
            (None, Some(items)) if *items != true && *items != json!({}) => items,
            (None, _) => return Err(self.because(Obstacle::ListOfAnything)),
            (Some((first, others)), rest) => {
                let most = schema.get("maxItems").and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok());
                let ends = rest == Some(&Value::Bool(false)) || most.is_some_and(|most| most <= places.len());
                let same = others.iter().all(|other| other == first) && (ends || rest == Some(first));
                if !same {
                    return Err(self.because(Obstacle::MixedTuple));
                }
                if ends && most.is_none() {
                    strict.insert("maxItems".to_owned(), places.len().into());
                }
                first
            }
        };
        let items = self.schema_at(&["items"], of)?;
        strict.shift_insert(0, "items".to_owned(), items.into());
        Ok(strict)
    }
}
