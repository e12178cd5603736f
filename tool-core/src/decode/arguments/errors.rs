//! What is wrong with the arguments of a call, each mistake at its path.

use std::error::Error;
use std::fmt;

/// What is wrong with one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentError {
    path: String,
    message: String,
}

impl ArgumentError {
    pub(crate) fn new(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            message: message.into(),
        }
    }

    /// The same mistake, seen from the object that holds `parent`.
    pub(crate) fn inside(self, parent: &str) -> Self {
        let path = match self.path.as_str() {
            "" => parent.to_owned(),
            path if parent.is_empty() || path.starts_with('[') => format!("{parent}{path}"),
            path => format!("{parent}.{path}"),
        };
        Self { path, ..self }
    }

    /// Where it is: property names and indices from the arguments object down, `visits[2].date` for
    /// example.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong, and what was expected.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message), // of the object as a whole
            path => write!(f, "`{path}`: {}", self.message),
        }
    }
}

impl Error for ArgumentError {}

/// Everything that is wrong with the arguments of one call; the source of an error with
/// [`ErrorCode::InvalidArguments`](crate::ErrorCode::InvalidArguments).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentsError(pub(super) Vec<ArgumentError>);

impl ArgumentsError {
    /// The mistakes, unknown and repeated arguments first, then by parameter.
    pub fn errors(&self) -> &[ArgumentError] {
        &self.0
    }
}

impl fmt::Display for ArgumentsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 10;
        for (position, error) in self.0.iter().take(MOST).enumerate() {
            write!(f, "{}{error}", if position == 0 { "" } else { "; " })?;
        }
        match self.0.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl Error for ArgumentsError {}
