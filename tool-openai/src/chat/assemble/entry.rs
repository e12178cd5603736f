//! One entry of `delta.tool_calls`, as far as it can be made out.

use tool_core::serde_json::{Map, Value};

/// A piece of a call. What is missing, null or of a type that cannot be meant is empty.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) index: Option<i64>,
    pub(super) id: String,
    /// `type`, as the service writes it.
    pub(super) kind: String,
    /// Whether what is called is a custom tool.
    pub(super) custom: bool,
    pub(super) name: String,
    /// Arguments of a function, or input of a custom tool.
    pub(super) text: String,
    /// The arguments, if they came as an object in place of its text.
    pub(super) object: Option<Map<String, Value>>,
    /// Other keys beside `name` and `arguments`.
    pub(super) inner: Map<String, Value>,
    /// Other keys of the entry.
    pub(super) extra: Map<String, Value>,
}

impl Entry {
    pub(super) fn read(entry: Value) -> Option<Self> {
        let Value::Object(members) = entry else {
            return None;
        };
        let mut entry = Self::default();
        let mut custom = Self::default();
        for (key, value) in members {
            match (key.as_str(), value) {
                ("index", value) => entry.index = index(&value),
                ("id", value) => entry.id = word(value),
                ("type", value) => entry.kind = word(value),
                ("function", Value::Object(function)) => entry.read_call(function, "arguments"),
                ("custom", Value::Object(members)) => custom.read_call(members, "input"),
                ("function" | "custom", _) => {}
                (_, value) => {
                    entry.extra.insert(key, value);
                }
            }
        }
        // Snowflake puts an empty `custom` beside every function.
        entry.custom = entry.kind == "custom" || (entry.is_unnamed() && !custom.is_unnamed());
        if entry.custom && !custom.is_unnamed() {
            (entry.name, entry.text, entry.inner) = (custom.name, custom.text, custom.inner);
            entry.object = None; // what a custom tool takes is text
        }
        Some(entry)
    }

    /// The object of the legacy `delta.function_call`.
    pub(super) fn read_function_call(members: Map<String, Value>) -> Self {
        let mut entry = Self::default();
        entry.read_call(members, "arguments");
        entry
    }

    fn read_call(&mut self, members: Map<String, Value>, text_key: &str) {
        for (key, value) in members {
            match key.as_str() {
                "name" => self.name = word(value),
                key if key == text_key => match value {
                    Value::Null => {}
                    Value::String(text) => self.text = text,
                    // Some servers send the object itself in place of its text.
                    value => {
                        self.text = value.to_string();
                        self.object = match value {
                            Value::Object(members) => Some(members),
                            _ => None,
                        };
                    }
                },
                _ => {
                    self.inner.insert(key, value);
                }
            }
        }
    }

    fn is_unnamed(&self) -> bool {
        self.name.is_empty() && self.text.is_empty()
    }

    /// Whether it has too little content to begin a call.
    pub(super) fn is_idle(&self) -> bool {
        self.is_unnamed() && self.id.is_empty()
    }
}

/// `index`, of a choice or of a call.
pub(super) fn index(value: &Value) -> Option<i64> {
    match value {
        // Beyond what fits it wraps: all that matters is which are equal.
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_u64().map(|index| index as i64)),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    }
}

fn word(value: Value) -> String {
    match value {
        Value::String(word) => word,
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
