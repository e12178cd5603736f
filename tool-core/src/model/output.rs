//! What a tool returns to the model.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::slice;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::bounded::{self, CONTENT, Form, Written};
use super::content::{Block, Content};
use super::error::ToolError;

/// What a tool returns: the blocks that the model reads, one block of text as a rule. Equal to any
/// other of the same blocks.
///
/// A tool that returns one, alone or in a list, returns its blocks.
///
/// Shape: serialised as a list of content blocks, `[{"type": "text", "text": "…"}]`, in the form of
/// [`Content`]; a block whose text is JSON has `"json": true` too, and one of an output that was
/// cut `"truncated": true`.
#[derive(Clone, Debug)]
pub struct ToolOutput {
    blocks: Blocks,
    /// What a single text is.
    form: Form,
    truncated: bool,
}

/// Bytes around each block of a list when it is sent.
const LINE: usize = 32;

/// One block takes no list.
#[derive(Clone, Debug)]
enum Blocks {
    One(Content),
    /// Not one.
    List(Box<[Content]>),
}

/// How an output is written.
#[derive(Clone, Copy, Debug)]
pub struct OutputFormat {
    /// Bytes that it may have.
    pub(crate) most: usize,
    /// Whether it is JSON whatever the value, and an error where it is longer: the tool has
    /// published its schema.
    pub(crate) structured: bool,
}

impl OutputFormat {
    pub(crate) const UNBOUNDED: Self = Self {
        most: usize::MAX,
        structured: false,
    };
}

impl ToolOutput {
    /// Text for the model as it is.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self::written(text.into(), Form::Text, false)
    }

    /// A value as the model will read it: what serialises as a string as that text, [`Content`] as
    /// its blocks, everything else as compact JSON.
    ///
    /// # Errors
    /// [`ErrorCode::UnserializableOutput`](crate::ErrorCode::UnserializableOutput), if the value
    /// cannot be written as JSON, a map with structured keys for example.
    pub fn from_serialize(value: &impl Serialize) -> Result<Self, ToolError> {
        Self::serialize_within(value, OutputFormat::UNBOUNDED)
    }

    /// These blocks. None at all is the text `[]`, as an empty list is: the model always reads
    /// something.
    pub fn from_blocks(blocks: impl IntoIterator<Item = impl Into<Content>>) -> Self {
        let blocks = blocks.into_iter().map(Into::into).collect();
        Self::of(blocks, Form::Text, false)
    }

    fn of(mut blocks: Vec<Content>, form: Form, truncated: bool) -> Self {
        let blocks = match blocks.len() {
            0 => Blocks::One("[]".into()),
            1 => Blocks::One(blocks.remove(0)),
            _ => Blocks::List(blocks.into()),
        };
        Self {
            blocks,
            form,
            truncated,
        }
    }

    fn written(text: String, form: Form, truncated: bool) -> Self {
        Self {
            blocks: Blocks::One(Content::Text(text)),
            form,
            truncated,
        }
    }

    /// As [`from_serialize`](Self::from_serialize), and then [`within`](Self::within), but
    /// shortened while it is written: what is left out takes no memory.
    ///
    /// # Errors
    /// As [`from_serialize`](Self::from_serialize); a structured value is too long.
    pub(crate) fn serialize_within(
        value: &impl Serialize,
        format: OutputFormat,
    ) -> Result<Self, ToolError> {
        let OutputFormat { most, structured } = format;
        let written = match structured {
            true => bounded::write_json(value, most),
            false => bounded::write(value, most),
        };
        match written.map_err(ToolError::unserializable)? {
            Written::Text {
                truncated: true, ..
            } if structured => Err(ToolError::output_too_long(most)),
            Written::Text {
                text,
                form,
                truncated,
            } => Ok(Self::written(text, form, truncated)),
            Written::Failure(text) => Err(ToolError::displayed(&text)),
            Written::Content(stored) => {
                let output = Self::from_stored(stored).map_err(ToolError::unserializable)?;
                match structured {
                    false => Ok(output.within(most)),
                    true if output.encoded_len() > most => Err(ToolError::output_too_long(most)),
                    true if output.structured().is_some() => Ok(output),
                    true => Err(ToolError::unserializable(serde_json::Error::custom(
                        "the tool publishes the schema of a JSON value, and this is not one",
                    ))),
                }
            }
        }
    }

    /// A block, or a list of them.
    fn from_stored(stored: Value) -> serde_json::Result<Self> {
        if stored.is_array() {
            return Self::deserialize(stored);
        }
        Content::deserialize(stored).map(Self::from)
    }

    /// The same, shortened to `most` bytes, or 256 if that is less. Text keeps its head and tail
    /// around a line that says how many bytes are left out; JSON becomes an object that holds
    /// them: `{"truncated":true,"omitted_bytes":1234,"head":"[{\"na","tail":"}]"}`; a text that
    /// names its kind and size replaces any other block.
    pub(crate) fn within(self, most: usize) -> Self {
        if !self.exceeds(most) {
            return self;
        }
        match self.blocks {
            Blocks::One(Content::Text(text)) => {
                Self::written(bounded::shorten(text, self.form, most), self.form, true)
            }
            Blocks::One(block) => Self::of(shortened(vec![block], most), Form::Text, true),
            Blocks::List(blocks) => Self::of(shortened(blocks.into(), most), Form::Text, true),
        }
    }

    /// As [`within`](Self::within), with a text behind it that is not cut, unless there is room for
    /// nothing else.
    pub(crate) fn within_and(self, most: usize, note: String) -> Self {
        if note.is_empty() {
            return self.within(most);
        }
        let room = most.saturating_sub(note.len() + 2 * LINE);
        if room < bounded::LEAST {
            return Self::written(bounded::shorten(note, Form::Text, most), Form::Text, true);
        }
        let mut blocks = match self.within(room).blocks {
            Blocks::One(block) => vec![block],
            Blocks::List(blocks) => blocks.into_vec(),
        };
        blocks.push(Content::Text(note));
        Self::of(blocks, Form::Text, true)
    }

    /// Whether it is longer than [`within`](Self::within) would leave it.
    #[inline]
    pub(crate) fn exceeds(&self, most: usize) -> bool {
        self.encoded_len() > most.max(bounded::LEAST)
    }

    /// Bytes of it when it is sent.
    #[inline]
    pub(crate) fn encoded_len(&self) -> usize {
        match &self.blocks {
            Blocks::One(Content::Text(text)) => text.len(),
            _ => {
                let lines = self.blocks().iter().map(|block| block.encoded_len() + LINE);
                lines.sum()
            }
        }
    }

    /// The blocks, at least one.
    pub fn blocks(&self) -> &[Content] {
        match &self.blocks {
            Blocks::One(block) => slice::from_ref(block),
            Blocks::List(blocks) => blocks,
        }
    }

    /// All of it as text, for a service that takes nothing else: what is not text by its kind and
    /// size, as [`Content::to_text`] says it, each block in a line of its own.
    #[inline]
    pub fn text(&self) -> Cow<'_, str> {
        match &self.blocks {
            Blocks::One(Content::Text(text)) => Cow::Borrowed(text),
            _ => {
                let lines: Vec<_> = self.blocks().iter().map(Content::to_text).collect();
                Cow::Owned(lines.join("\n"))
            }
        }
    }

    /// As [`text`](Self::text), owned.
    pub fn into_text(self) -> String {
        match self.blocks {
            Blocks::One(Content::Text(text)) => text,
            _ => self.text().into_owned(),
        }
    }

    /// The value, where the tool returned one that was written as JSON and all of it is here.
    pub fn structured(&self) -> Option<Value> {
        match &self.blocks {
            Blocks::One(Content::Text(text)) if self.form == Form::Json && !self.truncated => {
                serde_json::from_str(text).ok()
            }
            _ => None,
        }
    }

    /// Whether some of it was left out, because it was longer than the dispatcher lets it be.
    pub fn truncated(&self) -> bool {
        self.truncated
    }
}

/// The blocks, shortened to `most` bytes: the first ones are kept as long as there is room.
fn shortened(blocks: Vec<Content>, most: usize) -> Vec<Content> {
    const LAST_LINE: usize = 64 + LINE; // room for it
    let mut room = most.max(bounded::LEAST) - LAST_LINE;
    let count = blocks.len();
    let mut kept = Vec::new();
    for (position, block) in blocks.into_iter().enumerate() {
        let block = match block {
            block if block.encoded_len() + LINE <= room => block,
            Content::Text(text) if room >= bounded::LEAST + LINE => {
                Content::Text(bounded::shorten(text, Form::Text, room - LINE))
            }
            block => Content::Text(block.left_out()),
        };
        let Some(left) = room.checked_sub(block.encoded_len() + LINE) else {
            let more = count - position;
            kept.push(Content::Text(format!(
                "[{more} blocks left out: too large]"
            )));
            break;
        };
        room = left;
        kept.push(block);
    }
    kept
}

impl From<Content> for ToolOutput {
    fn from(block: Content) -> Self {
        Self::from_blocks([block])
    }
}

impl PartialEq for ToolOutput {
    fn eq(&self, other: &Self) -> bool {
        self.blocks() == other.blocks()
    }
}

impl Eq for ToolOutput {}

/// As [`text`](ToolOutput::text).
impl Display for ToolOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl Serialize for ToolOutput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut is_truncated = self.truncated;
        let stored = |content| {
            let mut block = Block::from(content);
            if let Block::Text {
                json, truncated, ..
            } = &mut block
            {
                *json = self.form == Form::Json;
                *truncated = std::mem::take(&mut is_truncated); // the first text says it for all
            }
            block
        };
        let blocks: Vec<Block<'_>> = self.blocks().iter().map(stored).collect();
        serializer.serialize_newtype_struct(CONTENT, &blocks)
    }
}

impl<'de> Deserialize<'de> for ToolOutput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Vec::<Block<'_>>::deserialize(deserializer)?;
        if stored.is_empty() {
            return Err(D::Error::custom("a stored output has at least one block"));
        }
        let says_json = |block: &Block<'_>| matches!(block, Block::Text { json: true, .. });
        let says_truncated = |block: &Block<'_>| {
            matches!(
                block,
                Block::Text {
                    truncated: true,
                    ..
                }
            )
        };
        let is_json = matches!(&stored[..], [block] if says_json(block));
        let truncated = stored.iter().any(says_truncated);
        let blocks = stored.into_iter().map(Content::from).collect();
        let form = if is_json { Form::Json } else { Form::Text };
        Ok(Self::of(blocks, form, truncated))
    }
}

#[cfg(test)]
mod tests;
