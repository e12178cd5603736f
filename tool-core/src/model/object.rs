//! The arguments of a call as one JSON object.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value};

use super::code::ErrorCode;
use super::error::ToolError;
use super::text::clip;

/// The arguments of a call as one JSON object, for a [`Tool`](crate::Tool) of another kind that
/// checks them itself.
///
/// # Errors
/// The text is not JSON, or not one JSON object, or gives a property twice: of two readers each
/// might take another of the two for the one that counts.
///
/// ```
/// use tool_core::{ErrorCode, read_arguments};
///
/// assert_eq!(read_arguments(r#"{"city": "Oslo"}"#)?["city"], "Oslo");
/// assert_eq!(read_arguments("Oslo").unwrap_err().code(), ErrorCode::InvalidJson);
/// # Ok::<(), tool_core::ToolError>(())
/// ```
pub fn read_arguments(text: &str) -> Result<Map<String, Value>, ToolError> {
    let object = serde_json::from_str(text).map_err(|error| not_an_object(text, &error))?;
    let mut repeated = None;
    let distinct =
        Distinct(&mut repeated).deserialize(&mut serde_json::Deserializer::from_str(text));
    distinct.map_err(|error| not_an_object(text, &error))?;
    match repeated {
        None => Ok(object),
        Some(name) => Err(ToolError::with_text(
            ErrorCode::InvalidArguments,
            format!("`{}`: given twice; give it once", clip(&name)),
        )),
    }
}

/// What the model reads where `text` could not be read as an object.
pub(crate) fn not_an_object(text: &str, error: &serde_json::Error) -> ToolError {
    if text.trim().is_empty() {
        return ToolError::with_text(
            ErrorCode::InvalidJson,
            "the arguments are empty; send one JSON object",
        );
    }
    let (code, lead) = match error.classify() {
        Category::Data => (
            ErrorCode::InvalidArguments,
            "the arguments must be one JSON object",
        ),
        Category::Syntax | Category::Eof | Category::Io => {
            (ErrorCode::InvalidJson, "the arguments are not valid JSON")
        }
    };
    ToolError::with_text(code, format!("{lead}: {error}"))
}

/// Reads over a value, and notes a property that is given twice, at any level.
struct Distinct<'r>(&'r mut Option<String>);

impl<'de> DeserializeSeed<'de> for Distinct<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Distinct<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Distinct(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = entries.next_key::<String>()? {
            entries.next_value_seed(Distinct(self.0))?;
            if let Some(name) = names.replace(name) {
                self.0.get_or_insert(name);
            }
        }
        Ok(())
    }
}
