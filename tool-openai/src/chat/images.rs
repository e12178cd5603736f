//! The images of results.

use tool_core::serde_json::{Value, json};
use tool_core::{Content, Image, ToolResult};

use super::wire::{Message, TextMessage};
use crate::profile::Images;

/// The images of the results of one message, and where they go.
pub(super) struct ShownImages {
    place: Images,
    /// How many there are, and the parts that show them.
    count: usize,
    parts: Vec<Value>,
}

impl ShownImages {
    pub(super) fn new(place: Images) -> Self {
        Self {
            place,
            count: 0,
            parts: Vec::new(),
        }
    }

    /// The content of a result.
    ///
    /// Shape: a string, or a list of parts if images are in it.
    pub(super) fn content(&mut self, result: &ToolResult) -> Value {
        match self.place {
            Images::Within => content_with_images(result),
            Images::Behind if has_images(result) => {
                let lines: Vec<String> = blocks(result)
                    .iter()
                    .map(|block| self.line(result, block))
                    .collect();
                lines.join("\n").into()
            }
            Images::Behind | Images::Nowhere => result.content().into(),
        }
    }

    /// A block as text. An image goes into the message behind the results.
    fn line(&mut self, result: &ToolResult, block: &Content) -> String {
        let Content::Image(image) = block else {
            return block.to_text().into_owned();
        };
        if !is_shown(image) {
            return block.to_text().into_owned();
        }
        let number = self.add(image_part(image), result.id(), result.name());
        format!("[image {number}: {image}, shown behind the results]")
    }

    /// Puts an image of this call's result into the message behind, and returns its number there.
    fn add(&mut self, part: Value, id: &str, tool: &str) -> usize {
        self.count += 1;
        let number = self.count;
        let label = format!("Image {number}, from the result of call `{id}` of `{tool}`:");
        self.parts.push(json!({"type": "text", "text": label}));
        self.parts.push(part);
        number
    }

    /// Moves the images out of the content of a result that has been written. Whether there were
    /// any.
    pub(super) fn move_from(&mut self, content: &mut Value, id: &str, tool: &str) -> bool {
        if !has_image_parts(content) {
            return false;
        }
        let parts = content.as_array_mut().map(std::mem::take);
        let lines: Vec<String> = parts
            .into_iter()
            .flatten()
            .map(|part| {
                if is_image_part(&part) {
                    let number = self.add(part, id, tool);
                    return format!("[image {number}, shown behind the results]");
                }
                let text = part.get("text").and_then(Value::as_str);
                text.map_or_else(|| part.to_string(), str::to_owned)
            })
            .collect();
        *content = lines.join("\n").into();
        true
    }

    /// The message that shows them, if there are any.
    pub(super) fn into_message(self) -> Option<Message> {
        let content = TextMessage {
            content: self.parts.into(),
            ..TextMessage::new("")
        };
        (self.count > 0).then_some(Message::User(content))
    }
}

/// The content of a result with the images in it: a string if there are none, else a list of parts.
pub(crate) fn content_with_images(result: &ToolResult) -> Value {
    if !has_images(result) {
        return result.content().into();
    }
    let part = |block: &Content| match block {
        Content::Image(image) if is_shown(image) => image_part(image),
        block => json!({"type": "text", "text": block.to_text()}),
    };
    let is_blank =
        |block: &&Content| matches!(block, Content::Text(text) if text.trim().is_empty());
    let blocks = blocks(result).iter().filter(|block| !is_blank(block));
    blocks.map(part).collect()
}

fn blocks(result: &ToolResult) -> &[Content] {
    result.outcome().map_or(&[], |output| output.blocks())
}

fn has_images(result: &ToolResult) -> bool {
    let is_image = |block: &Content| matches!(block, Content::Image(image) if is_shown(image));
    blocks(result).iter().any(is_image)
}

/// Services refuse the whole request for an image of any other type, and then every later one that
/// has it in its history.
fn is_shown(image: &Image) -> bool {
    const TYPES: [&str; 4] = ["image/gif", "image/jpeg", "image/png", "image/webp"];
    let is_of = |name: &&str| image.mime_type().eq_ignore_ascii_case(name);
    TYPES.iter().any(is_of) && !image.data().is_empty()
}

/// Whether there are images in the content of a message.
pub(super) fn has_image_parts(content: &Value) -> bool {
    let parts = content.as_array();
    parts.is_some_and(|parts| parts.iter().any(is_image_part))
}

fn is_image_part(part: &Value) -> bool {
    part["type"] == "image_url" && part["image_url"]["url"].is_string()
}

pub(super) fn image_part(image: &Image) -> Value {
    json!({"type": "image_url", "image_url": {"url": data_url(image)}})
}

pub(super) fn data_url(data: &Image) -> String {
    format!("data:{};base64,{}", data.mime_type(), data.to_base64())
}
