//! What a tool returns to the model.

use std::fmt::{self, Display};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bounded::{self, Form};
use super::error::ToolError;

/// What a tool returns: the text the model reads. Equal to any other of the same text.
///
/// Shape: serialised as a list of content blocks, `[{"type": "text", "text": "…"}]`; a block whose
/// text is JSON has `"json": true` too.
#[derive(Clone, Debug)]
pub struct ToolOutput {
    text: String,
    form: Form,
}

/// The bound of an output that has none.
const UNBOUNDED: usize = usize::MAX;

impl ToolOutput {
    /// By this name a serializer knows an output from other values: what a tool returns is shown to
    /// the model, not stored.
    pub(super) const SERIALIZED_AS: &str = "$tool_core::ToolOutput";

    /// Text for the model as it is.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            form: Form::Text,
        }
    }

    /// A value as the model will read it: what serialises as a string as that text, everything else
    /// as compact JSON.
    ///
    /// # Errors
    /// [`ErrorCode::UnserializableOutput`](crate::ErrorCode::UnserializableOutput), if the value
    /// cannot be written as JSON, a map with structured keys for example.
    pub fn from_serialize(value: &impl Serialize) -> Result<Self, ToolError> {
        Self::serialize_within(value, UNBOUNDED)
    }

    /// As [`from_serialize`](Self::from_serialize), and then [`within`](Self::within), but
    /// shortened while it is written: what is left out takes no memory.
    ///
    /// # Errors
    /// As [`from_serialize`](Self::from_serialize).
    pub(crate) fn serialize_within(value: &impl Serialize, most: usize) -> Result<Self, ToolError> {
        let (text, form) = bounded::write(value, most).map_err(ToolError::unserializable)?;
        Ok(Self { text, form })
    }

    /// The same, shortened to `most` bytes, or 256 if that is less. Text keeps its head and tail
    /// around a line that tells how many bytes are left out; JSON becomes an object that holds
    /// them: `{"truncated":true,"omitted_bytes":1234,"head":"[{\"na","tail":"}]"}`.
    pub(crate) fn within(self, most: usize) -> Self {
        Self {
            text: bounded::shorten(self.text, self.form, most),
            ..self
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn into_parts(self) -> (String, Form) {
        (self.text, self.form)
    }

    /// The text, owned.
    pub fn into_string(self) -> String {
        self.text
    }
}

impl PartialEq for ToolOutput {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ToolOutput {}

impl Display for ToolOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A content block as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        json: bool,
    },
}

impl Serialize for ToolOutput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let block = Block::Text {
            text: self.text.clone(),
            json: self.form == Form::Json,
        };
        serializer.serialize_newtype_struct(Self::SERIALIZED_AS, &[block])
    }
}

impl<'de> Deserialize<'de> for ToolOutput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let blocks = Vec::<Block>::deserialize(deserializer)?;
        let count = blocks.len();
        let [Block::Text { text, json }] = <[Block; 1]>::try_from(blocks).map_err(|_| {
            D::Error::custom(format!(
                "a stored output has one block of text here, but this one has {count} blocks"
            ))
        })?;
        let form = if json { Form::Json } else { Form::Text };
        Ok(Self { text, form })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_text_are_told_apart_when_they_are_shortened() {
        let (text, list) = ("word ".repeat(1000), vec!["word"; 1000]);
        assert!(
            ToolOutput::from_text(&text)
                .within(1000)
                .as_str()
                .contains(" bytes left out]\n")
        );
        assert_eq!(
            ToolOutput::from_serialize(&text).unwrap().within(1000),
            ToolOutput::from_text(&text).within(1000)
        );
        let short = ToolOutput::from_serialize(&list).unwrap().within(1000);
        assert!(
            short
                .as_str()
                .starts_with(r#"{"truncated":true,"omitted_bytes":6"#),
            "{short}"
        );
        assert_eq!(ToolOutput::serialize_within(&list, 1000).unwrap(), short);
        assert_eq!(short.clone().within(1000), short);
    }

    #[test]
    fn outputs_of_the_same_text_are_equal() {
        assert_eq!(
            ToolOutput::from_text("5"),
            ToolOutput::from_serialize(&5).unwrap()
        );
    }
}
