//! The kinds of failure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::{clip, nearest};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Error code: why a call has no output. The text of each code is stable and fit for
        /// `error.type` on a span.
        ///
        /// Shape: serialised as that text. [`FromStr`] reads it back.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorCode {
            const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code as text, for example `invalid_arguments`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

codes! {
    /// No tool of that name is in the set.
    UnknownTool = "unknown_tool",
    /// The argument text is not JSON.
    InvalidJson = "invalid_json",
    /// The arguments are JSON, but not what the tool declares.
    InvalidArguments = "invalid_arguments",
    /// The arguments are longer or nested deeper than the dispatcher takes.
    TooLarge = "too_large",
    /// The message ended before the call was complete.
    TruncatedCall = "truncated_call",
    /// The program's policy does not allow the call.
    Denied = "denied",
    /// It waits for a decision of the program, or for an earlier call that does. No tool code ran;
    /// [`Dispatcher::resume`](crate::Dispatcher::resume) runs it later.
    Held = "held",
    /// More calls than the dispatcher takes at once.
    Overloaded = "overloaded",
    /// No tool code ran.
    NotStarted = "not_started",
    /// Stopped at its deadline; nothing of it runs on. It may have acted in part, unless it is
    /// read-only.
    Timeout = "timeout",
    /// Past its deadline, and something of it cannot be stopped: a thread, a poll that computes, a
    /// call within it that has one, or work on another machine. It may still be acting.
    TimeoutIndeterminate = "timeout_indeterminate",
    /// Stopped because its message was cancelled or the runtime shut down. It may have acted in
    /// part, unless it is read-only.
    Cancelled = "cancelled",
    /// As [`Cancelled`](Self::Cancelled), but something of it cannot be stopped; it may still be
    /// acting.
    CancelledIndeterminate = "cancelled_indeterminate",
    /// The connection to what runs the tool was lost, or the worker died. It may have acted, and
    /// may still be acting. Adapters return it; the dispatcher itself does not.
    LostIndeterminate = "lost_indeterminate",
    /// The tool returned an error.
    ToolError = "tool_error",
    /// A layer around the tool failed.
    MiddlewareError = "middleware_error",
    /// The tool panicked.
    Panic = "panic",
    /// The tool's output cannot be written as JSON.
    UnserializableOutput = "unserializable_output",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ErrorCode {
    type Err = UnknownErrorCodeError;

    fn from_str(text: &str) -> Result<Self, UnknownErrorCodeError> {
        let mut codes = Self::ALL.iter().copied();
        codes
            .find(|code| code.as_str() == text)
            .ok_or_else(|| UnknownErrorCodeError { text: clip(text) })
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// There is no [`ErrorCode`] of that text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownErrorCodeError {
    text: String,
}

impl fmt::Display for UnknownErrorCodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no error code `{}`", self.text)?;
        let codes = ErrorCode::ALL.iter().map(|code| code.as_str());
        match nearest(&self.text, codes) {
            Some(near) => write!(f, "; did you mean `{near}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnknownErrorCodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_back() {
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{code}\""));
            assert_eq!(serde_json::from_str::<ErrorCode>(&json).unwrap(), *code);
        }
    }

    #[test]
    fn an_unknown_code_is_an_error_that_names_it() {
        let error = "slow".parse::<ErrorCode>().unwrap_err();
        assert_eq!(error.to_string(), "there is no error code `slow`");
        let error = serde_json::from_str::<ErrorCode>("\"tool_eror\"").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no error code `tool_eror`; did you mean `tool_error`?"
        );
    }
}
