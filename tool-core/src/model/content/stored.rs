//! A content block as it is stored.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Audio, Content, Image, Link, Resource, ResourceContents};

/// A content block as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub(in crate::model) enum Block<'a> {
    Text {
        text: Cow<'a, str>,
        /// The text is JSON.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        json: bool,
        /// Something of the output is left out.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        truncated: bool,
    },
    Image {
        data: Base64<'a>,
        mime_type: Cow<'a, str>,
    },
    Audio {
        data: Base64<'a>,
        mime_type: Cow<'a, str>,
    },
    Resource {
        resource: StoredResource<'a>,
    },
    ResourceLink {
        uri: Cow<'a, str>,
        name: Cow<'a, str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<Cow<'a, str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<Cow<'a, str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mime_type: Option<Cow<'a, str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::model) struct StoredResource<'a> {
    uri: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mime_type: Option<Cow<'a, str>>,
    #[serde(flatten)]
    contents: StoredContents<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredContents<'a> {
    Text(Cow<'a, str>),
    Blob(Base64<'a>),
}

/// Bytes, serialised in base64.
pub(in crate::model) struct Base64<'a>(Cow<'a, [u8]>);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let data = BASE64_STANDARD.decode(&*text);
        data.map(|data| Self(Cow::Owned(data)))
            .map_err(serde::de::Error::custom)
    }
}

impl<'a> From<&'a Content> for Block<'a> {
    fn from(content: &'a Content) -> Self {
        let optional = |text: &'a Option<String>| text.as_deref().map(Cow::Borrowed);
        match content {
            Content::Text(text) => Self::Text {
                text: text.into(),
                json: false,
                truncated: false,
            },
            Content::Image(Image(media)) => Self::Image {
                data: Base64(Cow::Borrowed(&media.data)),
                mime_type: (&media.mime_type).into(),
            },
            Content::Audio(Audio(media)) => Self::Audio {
                data: Base64(Cow::Borrowed(&media.data)),
                mime_type: (&media.mime_type).into(),
            },
            Content::Resource(resource) => Self::Resource {
                resource: StoredResource {
                    uri: (&resource.uri).into(),
                    mime_type: optional(&resource.mime_type),
                    contents: match &resource.contents {
                        ResourceContents::Text(text) => StoredContents::Text(text.into()),
                        ResourceContents::Blob(data) => {
                            StoredContents::Blob(Base64(Cow::Borrowed(data)))
                        }
                    },
                },
            },
            Content::Link(link) => Self::ResourceLink {
                uri: (&link.uri).into(),
                name: (&link.name).into(),
                title: optional(&link.title),
                description: optional(&link.description),
                mime_type: optional(&link.mime_type),
                size: link.size,
            },
        }
    }
}

impl From<Block<'_>> for Content {
    fn from(block: Block<'_>) -> Self {
        let optional = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        match block {
            Block::Text { text, .. } => Self::Text(text.into_owned()),
            Block::Image { data, mime_type } => Image::new(mime_type, data.0).into(),
            Block::Audio { data, mime_type } => Audio::new(mime_type, data.0).into(),
            Block::Resource { resource } => Resource {
                uri: resource.uri.into_owned(),
                mime_type: optional(resource.mime_type),
                contents: match resource.contents {
                    StoredContents::Text(text) => ResourceContents::Text(text.into_owned()),
                    StoredContents::Blob(data) => ResourceContents::Blob(data.0.into_owned()),
                },
            }
            .into(),
            Block::ResourceLink {
                uri,
                name,
                title,
                description,
                mime_type,
                size,
            } => Link {
                uri: uri.into_owned(),
                name: name.into_owned(),
                title: optional(title),
                description: optional(description),
                mime_type: optional(mime_type),
                size,
            }
            .into(),
        }
    }
}
