//! A name that no tool has.

use super::set::ToolSet;
use crate::model::{clip, nearest};

/// No tool has that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no tool `{name}`; {help}")]
pub struct UnknownToolError {
    name: String,
    help: String,
}

impl UnknownToolError {
    pub(crate) fn new(name: &str, tools: &ToolSet) -> Self {
        match nearest(name, tools.names()) {
            Some(near) => Self {
                name: clip(name),
                help: format!("did you mean `{near}`?"),
            },
            None => Self::without_guess(name, tools),
        }
    }

    /// As [`new`](Self::new), without the comparison with all names, which takes its time.
    pub(crate) fn without_guess(name: &str, tools: &ToolSet) -> Self {
        const LISTED: usize = 20;
        let help = match tools.is_empty() {
            true => "there are no tools".to_owned(),
            false => {
                let listed = tools.names().take(LISTED).map(|name| format!("`{name}`"));
                let listed: Vec<_> = listed.collect();
                let more = tools.len() > LISTED;
                let rest = if more { " and others" } else { "" };
                format!("the tools are {}{rest}", listed.join(", "))
            }
        };
        Self {
            name: clip(name),
            help,
        }
    }

    /// The name that no tool has.
    pub fn name(&self) -> &str {
        &self.name
    }
}
