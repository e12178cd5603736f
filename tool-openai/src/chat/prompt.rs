//! Prompts of a user: text, images, sounds and files.

use tool_core::serde_json::{Value, json};
use tool_core::{Content, Image, ResourceContents};

use super::images::{data_url, image_part};
use super::wire::{Message, TextMessage};

impl From<&str> for Message {
    /// A message of the user.
    fn from(text: &str) -> Self {
        Self::user(text)
    }
}

impl From<String> for Message {
    /// A message of the user.
    fn from(text: String) -> Self {
        Self::user(text)
    }
}

impl From<Vec<Content>> for Message {
    /// A multimodal message of the user: text, images, sounds (`input_audio`), and files.
    ///
    /// ```
    /// use tool_core::{Content, Image};
    /// use tool_openai::chat::Message;
    ///
    /// let png = Image::new("image/png", [0x89, 0x50]);
    /// let prompt = Message::from(vec!["What is this?".into(), Content::from(png)]);
    /// ```
    fn from(content: Vec<Content>) -> Self {
        Self::User(TextMessage {
            content: content.iter().map(part).collect(),
            ..TextMessage::new("")
        })
    }
}

impl<const N: usize> From<[Content; N]> for Message {
    fn from(content: [Content; N]) -> Self {
        Vec::from(content).into()
    }
}

fn part(content: &Content) -> Value {
    match content {
        Content::Image(image) => image_part(image),
        Content::Audio(audio) => {
            let kind = audio.mime_type().rsplit_once('/').map(|(_, kind)| kind);
            let format = match kind.unwrap_or_default() {
                "mpeg" => "mp3",
                "wave" | "x-wav" => "wav",
                other => other,
            };
            json!({"type": "input_audio", "input_audio": {"data": audio.to_base64(), "format": format}})
        }
        Content::Resource(resource) => match &resource.contents {
            ResourceContents::Blob(data) => {
                let name = resource.uri.rsplit('/').next().unwrap_or_default();
                let mime_type = resource.mime_type.as_deref();
                let file = Image::new(mime_type.unwrap_or("application/octet-stream"), &**data);
                json!({"type": "file", "file": {"filename": name, "file_data": data_url(&file)}})
            }
            _ => text(content),
        },
        content => text(content),
    }
}

fn text(content: &Content) -> Value {
    json!({"type": "text", "text": content.to_text()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::to_value;
    use tool_core::{Audio, Link, Resource};

    #[test]
    fn a_prompt_holds_text_images_sounds_and_files() {
        let pdf = Resource::blob("files://7/letter.pdf", *b"%PDF");
        let prompt = Message::from([
            Content::from("What is this?"),
            Image::new("image/png", *b"png").into(),
            Audio::new("audio/mpeg", *b"mp3").into(),
            Audio::new("audio/wav", *b"wav").into(),
            pdf.with_mime_type("application/pdf").into(),
            Resource::text("notes://1", "A note.").into(),
            Link::new("https://example.org", "Example").into(),
        ]);
        let parts = json!([
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}},
            {"type": "input_audio", "input_audio": {"data": "bXAz", "format": "mp3"}},
            {"type": "input_audio", "input_audio": {"data": "d2F2", "format": "wav"}},
            {"type": "file", "file": {"filename": "letter.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
            {"type": "text", "text": "[resource: notes://1]\nA note."},
            {"type": "text", "text": "[link: Example, https://example.org]"},
        ]);
        assert_eq!(
            to_value(prompt).unwrap(),
            json!({"role": "user", "content": parts})
        );
        assert_eq!(Message::from("Hello?"), Message::user("Hello?"));
    }
}
