//! One item of a response that is still being written.

use tool_core::serde_json::Value;

use crate::responses::wire::Item;

#[derive(Debug)]
pub(super) struct Slot {
    /// As far as it is known: whole when it is done.
    pub(super) item: Item,
    /// Of a call: how many calls are before it.
    pub(super) call: Option<usize>,
    /// The part of its text or arguments that was reported.
    pub(super) text: String,
    pub(super) refusal: String,
    pub(super) done: bool,
}

/// Whether two values describe one item. Its `id` may change on the way.
pub(super) fn is_same(one: &Item, other: &Item) -> bool {
    let agree = |key: &str| {
        one.str(key).is_empty() || other.str(key).is_empty() || one.str(key) == other.str(key)
    };
    one.kind() == other.kind() && agree("call_id") && agree("name")
}

/// The same, but for the ids of a call.
pub(super) fn is_same_but_ids(one: &Item, other: &Item) -> bool {
    one.kind() == other.kind() && one.str("name") == other.str("name")
}

/// Gives an item the ids of another value of it: a program has seen those, and answers with
/// them.
pub(super) fn take_ids(item: &mut Item, of: &Item) {
    for key in ["id", "call_id"] {
        if let Some(id) = of.0.get(key).filter(|_| item.0.contains_key(key)) {
            item.0.insert(key.to_owned(), id.clone());
        }
    }
}

/// The items as far as they came.
pub(super) fn unfinished(slots: Vec<Slot>) -> Vec<Item> {
    slots.into_iter().map(Slot::into_item).collect()
}

impl Slot {
    /// Whether the item has the text that was reported so far; all of it, if that is done.
    pub(super) fn has_text_of(&self, item: &Item) -> bool {
        let text = |item: &Item| match item.kind() {
            "function_call" => item.str("arguments").to_owned(),
            "custom_tool_call" => item.str("input").to_owned(),
            _ => item.text(),
        };
        match self.done {
            true => text(&self.item) == text(item),
            false => text(item).starts_with(&self.text),
        }
    }

    fn into_item(self) -> Item {
        let Self {
            mut item,
            text,
            refusal,
            done,
            ..
        } = self;
        if done {
            return item;
        }
        let part = |kind: &str, key: &str, text: String| {
            Value::from_iter([("type", Value::from(kind)), (key, text.into())])
        };
        let (key, value) = match item.kind() {
            "function_call" => ("arguments", text.into()),
            "custom_tool_call" => ("input", text.into()),
            "message" if refusal.is_empty() => (
                "content",
                Value::Array(vec![part("output_text", "text", text)]),
            ),
            "message" => (
                "content",
                Value::Array(vec![part("refusal", "refusal", refusal)]),
            ),
            _ => return item,
        };
        item.0.insert(key.to_owned(), value);
        item.0.insert("status".to_owned(), "incomplete".into());
        item
    }
}
