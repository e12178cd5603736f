//! The tools of a request, and those that are not in it.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::list::Tools;
use super::tool_rules::InvalidToolsError;
use super::wire::Tool;

/// The `tools` array of a request, and the tools that had to be left out of it: a service refuses
/// the whole request for one tool that it does not take.
///
/// Shape: a slice of the tools, and serialised as a list of them. A clone is cheap, and the text is
/// written once.
///
/// ```
/// use tool_core::serde_json::json;
/// use tool_core::{DynamicTool, ToolSet};
/// use tool_openai::chat;
///
/// let tool = |name| DynamicTool::new(name, "", json!({"type": "object"}), |_| async { Ok::<_, String>("done") });
/// let tools = ToolSet::<()>::default().with_tool(tool("find")?)?.with_tool(tool("files.find")?)?;
/// let offered = chat::tools(&tools)?;
/// assert_eq!((offered.len(), offered[0].function.name.as_str()), (1, "find"));
/// assert_eq!(
///     offered.left_out()[0].to_string(),
///     "tool name `files.find` is not 1 to 64 letters, digits, `_` or `-`; choose another",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, PartialEq)]
pub struct OfferedTools<T = Tool> {
    tools: Tools<T>,
    left_out: Arc<[InvalidToolsError]>,
}

impl<T> Clone for OfferedTools<T> {
    fn clone(&self) -> Self {
        Self {
            tools: self.tools.clone(),
            left_out: Arc::clone(&self.left_out),
        }
    }
}

impl<T> OfferedTools<T> {
    pub(crate) fn new(tools: Vec<T>, left_out: Vec<InvalidToolsError>) -> Self {
        Self {
            tools: tools.into(),
            left_out: left_out.into(),
        }
    }

    /// Why each of the other tools is not among them, in declaration order.
    pub fn left_out(&self) -> &[InvalidToolsError] {
        &self.left_out
    }

    pub(crate) fn map<U>(&self, convert: impl FnMut(&T) -> U) -> OfferedTools<U> {
        OfferedTools {
            tools: self.tools.iter().map(convert).collect(),
            left_out: Arc::clone(&self.left_out),
        }
    }
}

impl<T: Clone> OfferedTools<T> {
    /// The tools alone.
    pub fn into_vec(self) -> Vec<T> {
        self.tools.into_vec()
    }
}

impl<T> From<OfferedTools<T>> for Tools<T> {
    fn from(offered: OfferedTools<T>) -> Self {
        offered.tools
    }
}

impl<T> Deref for OfferedTools<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.tools
    }
}

impl<T: Clone> IntoIterator for OfferedTools<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

impl<'a, T> IntoIterator for &'a OfferedTools<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.tools.iter()
    }
}

impl<T: Serialize> Serialize for OfferedTools<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tools.serialize(serializer)
    }
}
