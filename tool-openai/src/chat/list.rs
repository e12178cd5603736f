//! The tools of a request as a list whose text is written once.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tool_core::serde_json::value::{RawValue, to_raw_value};

use super::wire::Tool;

/// The `tools` of a request: a list that is cheap to clone, and whose text is written once.
///
/// Shape: a slice, serialised as a list.
///
/// ```
/// use tool_core::{tool, tools};
/// use tool_openai::chat::{self, Request};
///
/// /// Say hello.
/// #[tool]
/// fn greet() -> String {
///     "Hello!".to_owned()
/// }
///
/// let request = Request { tools: chat::tools(&tools![greet])?.into(), ..Request::default() };
/// assert_eq!(request.tools[0].function.name, "greet");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Tools<T = Tool>(Arc<List<T>>);

struct List<T> {
    tools: Vec<T>,
    /// None, if the tools cannot be written.
    json: OnceLock<Option<Box<RawValue>>>,
}

impl<T: Clone> Tools<T> {
    /// The tools alone.
    pub fn into_vec(self) -> Vec<T> {
        Arc::try_unwrap(self.0).map_or_else(|list| list.tools.clone(), |list| list.tools)
    }
}

impl<T> Clone for Tools<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Tools<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T: fmt::Debug> fmt::Debug for Tools<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tools.fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Tools<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || **self == **other
    }
}

impl<T> Deref for Tools<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0.tools
    }
}

impl<'a, T> IntoIterator for &'a Tools<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> From<Vec<T>> for Tools<T> {
    fn from(tools: Vec<T>) -> Self {
        let json = OnceLock::new();
        Self(Arc::new(List { tools, json }))
    }
}

impl<T> FromIterator<T> for Tools<T> {
    fn from_iter<I: IntoIterator<Item = T>>(tools: I) -> Self {
        tools.into_iter().collect::<Vec<_>>().into()
    }
}

impl<T: Serialize> Serialize for Tools<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = self.0.json.get_or_init(|| to_raw_value(&self.0.tools).ok());
        match json {
            Some(json) => json.serialize(serializer),
            None => self.0.tools.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Tools<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}
