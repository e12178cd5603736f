//! One item of a response that is still being written.

use tool_core::serde_json::Value;

use crate::responses::wire::Item;

#[derive(Debug)]
pub(super) struct Slot {
    /// As far as it is known: whole when it is done.
    pub(super) item: Item,
    /// Of a call: how many calls stand before it.
    pub(super) call: Option<usize>,
    /// What was told of its text, or of its arguments.
    pub(super) text: String,
    pub(super) refusal: String,
    pub(super) done: bool,
}

/// Whether two accounts are of one item. Its `id` may change on the way.
pub(super) fn is_same(one: &Item, other: &Item) -> bool {
    let agree = |key: &str| {
        one.str(key).is_empty() || other.str(key).is_empty() || one.str(key) == other.str(key)
    };
    one.kind() == other.kind() && agree("call_id") && agree("name")
}

/// The items as far as they came.
pub(super) fn unfinished(slots: Vec<Slot>) -> Vec<Item> {
    slots.into_iter().map(Slot::into_item).collect()
}

impl Slot {
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
