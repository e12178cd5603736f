//! What an output is made of: text, and what is not text.

mod stored;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bounded::CONTENT;
use super::text::quotable;
pub(super) use stored::Block;

/// One block of a tool's output.
///
/// A tool that returns one, or a list of them, returns these blocks and not their JSON:
///
/// ```
/// use tool_core::{Content, Dispatcher, Image, ToolCall, tool, tools};
///
/// # const PNG: &[u8] = b"\x89PNG";
/// /// Draw a patient's laboratory values.
/// #[tool]
/// fn draw_chart(patient_id: &str) -> Vec<Content> {
///     vec![
///         format!("The values of {patient_id}:").into(),
///         Image::new("image/png", PNG).into(),
///     ]
/// }
///
/// let call = ToolCall::new("call_1", "draw_chart", r#"{"patient_id": "P-00123"}"#);
/// let results = Dispatcher::new(tools![draw_chart]).dispatch_blocking(vec![call]);
///
/// assert!(matches!(
///     results[0].outcome().unwrap().blocks(),
///     [Content::Text(text), Content::Image(image)]
///         if text == "The values of P-00123:" && image.data() == PNG
/// ));
/// assert_eq!(
///     results[0].content(), // for a service that takes text alone
///     "The values of P-00123:\n[image: image/png, 4 bytes, not shown]"
/// );
/// ```
///
/// Shape: serialised as a content block of the Model Context Protocol, an object with `type`:
/// `text`, `image` and `audio` (`data` in base64, `mimeType`), `resource` or `resource_link`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Text for the model as it is.
    Text(String),
    /// A picture.
    Image(Image),
    /// Sound.
    Audio(Audio),
    /// A file or a record, with what is in it.
    Resource(Box<Resource>),
    /// Where a file or a record is found.
    Link(Box<Link>),
}

impl Content {
    /// The block as text: text as it is, a resource of text behind its address, anything else by its
    /// kind and size.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Resource(resource) => match &resource.contents {
                ResourceContents::Text(text) => {
                    Cow::Owned(format!("[resource: {}]\n{text}", resource.uri))
                }
                ResourceContents::Blob(_) => Cow::Owned(format!("[{self}, not shown]")),
            },
            Self::Link(_) => Cow::Owned(format!("[{self}]")),
            Self::Image(_) | Self::Audio(_) => Cow::Owned(format!("[{self}, not shown]")),
        }
    }

    /// Bytes of it when it is sent, whatever it is sent as: data counts as base64.
    pub(super) fn encoded_len(&self) -> usize {
        const AROUND: usize = 64; // for what is written around it
        let of = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        match self {
            Self::Text(text) => text.len(),
            Self::Image(Image(media)) | Self::Audio(Audio(media)) => {
                AROUND + media.mime_type.len() + base64_len(&media.data)
            }
            Self::Resource(resource) => {
                let contents = match &resource.contents {
                    ResourceContents::Text(text) => text.len(),
                    ResourceContents::Blob(data) => base64_len(data),
                };
                AROUND + resource.uri.len() + of(&resource.mime_type) + contents
            }
            Self::Link(link) => {
                let Link {
                    uri,
                    name,
                    title,
                    description,
                    mime_type,
                    size: _,
                } = &**link;
                AROUND + uri.len() + name.len() + of(title) + of(description) + of(mime_type)
            }
        }
    }

    /// What replaces one that is too long to be sent.
    pub(super) fn left_out(&self) -> String {
        let kind = quotable(&self.to_string());
        format!("[{kind}, left out: too large]")
    }
}

/// The kind and the size of a block.
impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "text: {} bytes", text.len()),
            Self::Image(image) => write!(f, "image: {image}"),
            Self::Audio(audio) => write!(f, "audio: {audio}"),
            Self::Resource(resource) => {
                let Resource {
                    uri,
                    mime_type,
                    contents,
                } = &**resource;
                write!(f, "resource: {uri}")?;
                if let Some(mime_type) = mime_type {
                    write!(f, ", {mime_type}")?;
                }
                let bytes = match contents {
                    ResourceContents::Text(text) => text.len(),
                    ResourceContents::Blob(data) => data.len(),
                };
                write!(f, ", {bytes} bytes")
            }
            Self::Link(link) => {
                write!(f, "link: {}, {}", link.name, link.uri)?;
                if let Some(description) = &link.description {
                    write!(f, ", {description}")?;
                }
                Ok(())
            }
        }
    }
}

/// Bytes with a type.
#[derive(PartialEq, Eq)]
struct Media {
    mime_type: String,
    data: Vec<u8>,
}

macro_rules! media {
    ($(#[$doc:meta])* $name:ident, $example:literal) => {
        $(#[$doc])*
        ///
        /// It is cheap to clone. A block of more bytes than `Limits::output_bytes` (256 KiB, counted
        /// in base64) is replaced by a text that says so: dispatchers of tools that return larger
        /// ones need a higher limit.
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(Arc<Media>);

        impl $name {
            #[doc = concat!("Bytes of the media type, ", $example, " for example.")]
            pub fn new(mime_type: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
                let (mime_type, data) = (mime_type.into(), data.into());
                Self(Arc::new(Media { mime_type, data }))
            }

            /// The media type.
            pub fn mime_type(&self) -> &str {
                &self.0.mime_type
            }

            /// The bytes.
            pub fn data(&self) -> &[u8] {
                &self.0.data
            }

            /// The bytes in base64, as protocols carry them.
            pub fn to_base64(&self) -> String {
                BASE64_STANDARD.encode(&self.0.data)
            }
        }

        /// The media type and the size.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}, {} bytes", self.mime_type(), self.data().len())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("mime_type", &self.0.mime_type)
                    .field("bytes", &self.0.data.len())
                    .finish()
            }
        }

        impl From<$name> for Content {
            fn from(media: $name) -> Self {
                Self::$name(media)
            }
        }

        /// As [`Content`].
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Content::$name(self.clone()).serialize(serializer)
            }
        }
    };
}

media! {
    /// A picture that a tool returns.
    Image, "`image/png`"
}

media! {
    /// Sound that a tool returns.
    Audio, "`audio/wav`"
}

/// A file or a record that a tool returns, with what is in it.
///
/// ```
/// use tool_core::{Resource, tool};
///
/// /// Get the discharge letter.
/// #[tool]
/// fn get_letter(patient_id: &str) -> Resource {
///     let uri = format!("records://{patient_id}/discharge.md");
///     Resource::text(uri, "# Discharge letter").with_mime_type("text/markdown")
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resource {
    /// Its address.
    pub uri: String,
    /// Its media type.
    pub mime_type: Option<String>,
    /// What is in it.
    pub contents: ResourceContents,
}

/// What is in a [`Resource`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResourceContents {
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Resource {
    /// A resource of text.
    pub fn text(uri: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(uri.into(), ResourceContents::Text(text.into()))
    }

    /// A resource of bytes.
    pub fn blob(uri: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Self::new(uri.into(), ResourceContents::Blob(data.into()))
    }

    fn new(uri: String, contents: ResourceContents) -> Self {
        Self {
            uri,
            mime_type: None,
            contents,
        }
    }

    /// Sets its media type.
    #[must_use]
    pub fn with_mime_type(self, mime_type: impl Into<String>) -> Self {
        Self {
            mime_type: Some(mime_type.into()),
            ..self
        }
    }
}

impl fmt::Debug for ResourceContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.debug_tuple("Text").field(text).finish(),
            Self::Blob(data) => write!(f, "Blob({} bytes)", data.len()),
        }
    }
}

/// A link to a file or a record, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// Its address.
    pub uri: String,
    /// Its name.
    pub name: String,
    /// A title for people.
    pub title: Option<String>,
    /// What it is, for the model.
    pub description: Option<String>,
    /// Its media type.
    pub mime_type: Option<String>,
    /// Its size in bytes.
    pub size: Option<u64>,
}

impl Link {
    /// A link to what has this address and this name.
    pub fn new(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            name: name.into(),
            title: None,
            description: None,
            mime_type: None,
            size: None,
        }
    }

    /// Sets a title for people.
    #[must_use]
    pub fn with_title(self, title: impl Into<String>) -> Self {
        Self {
            title: Some(title.into()),
            ..self
        }
    }

    /// Sets its size in bytes.
    #[must_use]
    pub fn with_size(self, bytes: u64) -> Self {
        Self {
            size: Some(bytes),
            ..self
        }
    }

    /// Says what it is.
    #[must_use]
    pub fn with_description(self, description: impl Into<String>) -> Self {
        Self {
            description: Some(description.into()),
            ..self
        }
    }

    /// Sets its media type.
    #[must_use]
    pub fn with_mime_type(self, mime_type: impl Into<String>) -> Self {
        Self {
            mime_type: Some(mime_type.into()),
            ..self
        }
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Resource> for Content {
    fn from(resource: Resource) -> Self {
        Self::Resource(Box::new(resource))
    }
}

impl From<Link> for Content {
    fn from(link: Link) -> Self {
        Self::Link(Box::new(link))
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(CONTENT, &Block::from(self))
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Block::deserialize(deserializer).map(Self::from)
    }
}

/// As [`Content`].
impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Content::from(self.clone()).serialize(serializer)
    }
}

/// As [`Content`].
impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Content::from(self.clone()).serialize(serializer)
    }
}

fn base64_len(data: &[u8]) -> usize {
    data.len().div_ceil(3).saturating_mul(4)
}
