//! Lists, and tuples that are lists of one type.

use serde_json::{Value, json};

use super::reason::Obstacle;
use super::rewrite::{Rewriter, Rewritten};
use super::schema::Object;

impl Rewriter<'_> {
    /// `items` of a list; of a tuple, how many there are, too.
    pub(super) fn items(&mut self, schema: &Object) -> Rewritten {
        if schema
            .get("unevaluatedItems")
            .is_some_and(|more| *more != false)
        {
            return Err(self.because(Obstacle::Keyword("unevaluatedItems")));
        }
        let (places, rest) = places(schema);
        let of = match (places.split_first(), rest) {
            (None, Some(items)) if *items != true && *items != json!({}) => items,
            (None, _) => return Err(self.because(Obstacle::ListOfAnything)),
            (Some((first, others)), rest) => {
                let most = schema
                    .get("maxItems")
                    .and_then(Value::as_u64)
                    .and_then(|most| usize::try_from(most).ok());
                let ends = rest == Some(&Value::Bool(false))
                    || most.is_some_and(|most| most <= places.len());
                let same =
                    others.iter().all(|other| other == first) && (ends || rest == Some(first));
                if !same {
                    return Err(self.because(Obstacle::MixedTuple));
                }
                first
            }
        };
        // A tuple becomes a list, whose length is a bound, or a note where that is refused.
        let items = self.schema_at(&["items"], of)?;
        Ok(Object::from_iter([("items".to_owned(), items.into())]))
    }
}

/// The places of a tuple, and what follows them.
fn places(schema: &Object) -> (&[Value], Option<&Value>) {
    match (schema.get("prefixItems"), schema.get("items")) {
        (Some(Value::Array(places)), rest) => (places, rest),
        // Before 2020, the places were in `items`, and what follows them in `additionalItems`.
        (_, Some(Value::Array(places))) => (places, schema.get("additionalItems")),
        (_, rest) => (&[], rest),
    }
}

/// How many items a tuple has at most, after which nothing follows.
pub(super) fn implied_most(schema: &Object) -> Option<usize> {
    let (places, rest) = places(schema);
    (rest == Some(&Value::Bool(false))).then_some(places.len())
}
