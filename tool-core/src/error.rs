//! What can go wrong with one call, told twice: to the program as a typed error, to the model as
//! text it can act on.

use std::error::Error;
use std::fmt;
use std::iter::successors;
use std::sync::Arc;

use crate::bounded::{self, Form};
use crate::toolset::ToolSet;

/// Any error a tool can fail with.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// What holds the error a tool returned, whole: some types lend their error, and would lose its
/// type if turned into a box.
pub(crate) trait Cause: Send + Sync {
    fn error(&self) -> &(dyn Error + 'static);
}

impl Cause for BoxError {
    fn error(&self) -> &(dyn Error + 'static) {
        self.as_ref()
    }
}

/// An error that lends another: `anyhow::Error` and its like.
pub(crate) struct Lent<E>(pub(crate) E);

impl<E: AsRef<dyn Error + Send + Sync> + Send + Sync> Cause for Lent<E> {
    fn error(&self) -> &(dyn Error + 'static) {
        self.0.as_ref()
    }
}

/// Why a call has no output. The text of each code is stable and fit for `error.type` on a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// No tool of that name is in the set.
    UnknownTool,
    /// The argument text is not JSON.
    InvalidJson,
    /// The arguments are JSON, but not what the tool declares.
    InvalidArguments,
    /// The arguments are longer or nested deeper than the dispatcher takes.
    TooLarge,
    /// The message ended before the call was complete.
    TruncatedCall,
    /// The program's policy does not allow the call.
    Denied,
    /// More calls than the dispatcher takes at once.
    Overloaded,
    /// The call would have waited for itself.
    Deadlock,
    /// No tool code ran.
    NotStarted,
    /// Stopped at its deadline; nothing of it runs on. It may have acted in part, unless it is
    /// read-only.
    Timeout,
    /// Past its deadline, and something of it cannot be stopped: a thread, a poll that computes, or
    /// a call within it that has one. It may still be acting.
    TimeoutIndeterminate,
    /// Stopped because its message was cancelled or the runtime shut down. It may have acted in
    /// part, unless it is read-only.
    Cancelled,
    /// As [`Cancelled`](Self::Cancelled), but something of it cannot be stopped; it may still be
    /// acting.
    CancelledIndeterminate,
    /// The tool returned an error.
    ToolError,
    /// A layer around the tool failed.
    MiddlewareError,
    /// The tool panicked.
    Panic,
    /// The tool's output cannot be written as JSON.
    UnserializableOutput,
}

impl ErrorCode {
    /// The code as text, for example `invalid_arguments`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownTool => "unknown_tool",
            Self::InvalidJson => "invalid_json",
            Self::InvalidArguments => "invalid_arguments",
            Self::TooLarge => "too_large",
            Self::TruncatedCall => "truncated_call",
            Self::Denied => "denied",
            Self::Overloaded => "overloaded",
            Self::Deadlock => "deadlock",
            Self::NotStarted => "not_started",
            Self::Timeout => "timeout",
            Self::TimeoutIndeterminate => "timeout_indeterminate",
            Self::Cancelled => "cancelled",
            Self::CancelledIndeterminate => "cancelled_indeterminate",
            Self::ToolError => "tool_error",
            Self::MiddlewareError => "middleware_error",
            Self::Panic => "panic",
            Self::UnserializableOutput => "unserializable_output",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why one call failed.
///
/// The program reads [`code`](Self::code) and the [`source`](Error::source) chain, which ends in
/// the value the tool returned. The model reads [`message_for_model`](Self::message_for_model), which says how to
/// correct the call and never contains a panic's text or a backtrace.
///
/// A tool may return any displayable error. It returns this one to say more: [`ToolError::fatal`]
/// stops the run.
///
/// ```
/// use std::error::Error;
/// use tool_core::{ErrorCode, ToolError};
///
/// let error = ToolError::fatal(std::io::Error::other("disk is gone"));
/// assert_eq!(error.code(), ErrorCode::ToolError);
/// assert!(error.is_fatal());
/// assert_eq!(error.message_for_model(), "disk is gone");
/// assert!(error.source().is_some_and(|source| source.is::<std::io::Error>()));
/// ```
#[derive(Clone)]
pub struct ToolError(Box<Failure>);

#[derive(Clone)]
struct Failure {
    code: ErrorCode,
    /// None until the dispatcher says which tool it was.
    tool: Option<String>,
    message_for_model: String,
    source: Option<Arc<dyn Cause>>,
    fatal: bool,
    /// The arguments could not be decoded: nothing of the tool ran.
    undecoded: bool,
}

impl ToolError {
    /// The tool failed: the model reads the error's `Display` as one line.
    pub fn from_error(error: impl Into<BoxError>) -> Self {
        Self::with_cause(ErrorCode::ToolError, error.into())
    }

    /// The tool failed in a way that makes going on pointless: calls not yet started are answered
    /// `not_started`, and an agent stops after this batch. Siblings that already run finish.
    pub fn fatal(error: impl Into<BoxError>) -> Self {
        Self::from_error(error).but(|failure| failure.fatal = true)
    }

    /// The arguments are wrong in a way only the tool can see. The model reads the error's
    /// `Display` as one line.
    pub fn invalid_arguments(error: impl Into<BoxError>) -> Self {
        Self::with_cause(ErrorCode::InvalidArguments, error.into())
    }

    /// What the model should read is what the cause says.
    fn with_cause(code: ErrorCode, cause: impl Cause + 'static) -> Self {
        let message_for_model = one_line(&cause.error().to_string());
        Self::with_text(code, message_for_model)
            .but(|failure| failure.source = Some(Arc::new(cause)))
    }

    fn but(mut self, change: impl FnOnce(&mut Failure)) -> Self {
        change(&mut self.0);
        self
    }

    /// What a tool returned. If it is one of these, it speaks for itself; if it wraps one, it takes
    /// its code and stops the run where that one does.
    pub(crate) fn returned(cause: impl Cause + 'static) -> Self {
        if let Some(own) = cause.error().downcast_ref::<Self>() {
            return own.clone().of_running();
        }
        let wrapped = successors(cause.error().source(), |error: &&(dyn Error + 'static)| {
            (*error).source()
        })
        .find_map(|error| error.downcast_ref::<Self>());
        let own = |error: &Self| {
            if error.0.tool.is_none() {
                error.0.code
            } else {
                ErrorCode::ToolError
            }
        };
        let (code, fatal) = wrapped.map_or((ErrorCode::ToolError, false), |error| {
            (own(error), error.0.fatal)
        });
        Self::with_cause(code, cause).but(|failure| failure.fatal = fatal)
    }

    /// What the model should read has no cause beyond itself.
    pub(crate) fn with_text(code: ErrorCode, message_for_model: impl Into<String>) -> Self {
        Self(Box::new(Failure {
            code,
            tool: None,
            message_for_model: message_for_model.into(),
            source: None,
            fatal: false,
            undecoded: false,
        }))
    }

    /// The tool's output cannot be written as JSON.
    pub(crate) fn unserializable(error: serde_json::Error) -> Self {
        let text = format!("the tool's result cannot be written as JSON: {error}");
        Self::with_cause(ErrorCode::UnserializableOutput, BoxError::from(error))
            .but(|failure| failure.message_for_model = text)
    }

    /// The tool panicked: the text is for the operator, never for the model.
    pub(crate) fn panic(text: String) -> Self {
        let message_for_model = "the tool failed unexpectedly and was stopped".to_owned();
        Self::with_cause(ErrorCode::Panic, BoxError::from(PanicError(text)))
            .but(|failure| failure.message_for_model = message_for_model)
    }

    /// Something of the program failed with `text`, which is for the operator; the model reads
    /// `message_for_model`.
    pub(crate) fn failed(code: ErrorCode, message_for_model: &str, text: String) -> Self {
        Self::with_cause(code, BoxError::from(PanicError(text)))
            .but(|failure| failure.message_for_model = message_for_model.to_owned())
    }

    /// A layer around the tool panicked: the text is for the operator, never for the model.
    pub(crate) fn layer_panic(text: String) -> Self {
        Self::failed(
            ErrorCode::MiddlewareError,
            "a layer around the tool failed",
            text,
        )
    }

    /// A layer around the tool failed, or passed on what the tool failed with.
    pub(crate) fn of_layer(error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => *own,
            Err(error) => Self::with_cause(ErrorCode::MiddlewareError, error),
        }
    }

    /// The tool could not be stopped.
    pub(crate) fn still_acting(self) -> Self {
        self.but(|failure| {
            failure
                .message_for_model
                .push_str("; the tool cannot be stopped and may still be acting");
        })
    }

    /// The arguments could not be decoded.
    pub(crate) fn undecoded(self) -> Self {
        self.but(|failure| failure.undecoded = true)
    }

    /// Whether nothing of the tool ran.
    pub(crate) fn is_undecoded(&self) -> bool {
        self.0.undecoded
    }

    /// The same, with a text for the model of at most so many bytes.
    pub(crate) fn within(self, most: usize) -> Self {
        self.but(|failure| {
            failure.message_for_model = bounded::shorten(
                std::mem::take(&mut failure.message_for_model),
                Form::Text,
                most,
            );
        })
    }

    /// What a tool or a layer failed with. The answer of another call, passed on, is its own error:
    /// what became of that call says nothing of what this one has done.
    pub(crate) fn of_running(self) -> Self {
        if self.0.tool.is_none() {
            return self;
        }
        self.but(|failure| (failure.code, failure.undecoded) = (ErrorCode::ToolError, false))
    }

    pub(crate) fn of_tool(self, name: &str) -> Self {
        self.but(|failure| failure.tool = Some(name.to_owned()))
    }

    /// The kind of failure.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// Whether the tool asked for the run to stop.
    pub fn is_fatal(&self) -> bool {
        self.0.fatal
    }

    /// What the model is told: one line that says what was wrong and, where the call is at fault,
    /// how to correct it.
    pub fn message_for_model(&self) -> &str {
        &self.0.message_for_model
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.tool.as_deref() {
            None | Some("") => f.write_str("tool")?,
            Some(name) => write!(f, "tool `{name}`")?,
        }
        let happened = match (self.0.code, &self.0.source) {
            (ErrorCode::InvalidArguments, Some(_)) => "was called with invalid arguments",
            (ErrorCode::Panic, Some(_)) => "panicked",
            (ErrorCode::UnserializableOutput, Some(_)) => {
                "returned a value that cannot be written as JSON"
            }
            (_, Some(_)) => "failed",
            (_, None) => return write!(f, ": {}", self.0.message_for_model),
        };
        write!(f, " {happened}")
    }
}

impl Error for ToolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(Cause::error)
    }
}

impl fmt::Debug for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolError")
            .field("code", &self.0.code)
            .field("tool", &self.0.tool.as_deref().unwrap_or_default())
            .field("message_for_model", &self.0.message_for_model)
            .field("source", &self.source())
            .field("fatal", &self.0.fatal)
            .finish()
    }
}

/// The text a tool panicked with; the source of an error with [`ErrorCode::Panic`].
#[derive(Debug)]
struct PanicError(String);

impl fmt::Display for PanicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for PanicError {}

/// There is no tool of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no tool `{name}`; {mend}")]
pub struct UnknownToolError {
    name: String,
    mend: String,
}

impl UnknownToolError {
    pub(crate) fn new(name: &str, tools: &ToolSet) -> Self {
        const LISTED: usize = 20;
        let names = || tools.definitions().map(|tool| tool.name());
        let mend = match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if tools.is_empty() => "there are no tools".to_owned(),
            None => {
                let listed: Vec<_> = names()
                    .take(LISTED)
                    .map(|name| format!("`{name}`"))
                    .collect();
                let rest = if tools.len() > LISTED {
                    " and others"
                } else {
                    ""
                };
                format!("the tools are {}{rest}", listed.join(", "))
            }
        };
        Self {
            name: clip(name),
            mend,
        }
    }

    /// The name that is none.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Runs of white space, line breaks among them, become one space.
fn one_line(text: &str) -> String {
    if text.contains(['\n', '\r', '\t']) {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        text.trim().to_owned()
    }
}

/// Cuts text that a model wrote before it is repeated to the model or the operator.
pub(crate) fn clip(text: &str) -> String {
    const LONGEST: usize = 100;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The candidate most like `name`, if any is near enough to have been meant.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const LEAST: f64 = 0.8;
    let name = clip(name); // the comparison is quadratic
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= LEAST)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_to_the_model_on_one_line() {
        let error = ToolError::from_error("first\n   second\tthird");
        assert_eq!(error.message_for_model(), "first second third");
    }

    #[test]
    fn a_returned_tool_error_keeps_its_own_word() {
        let error = ToolError::returned(BoxError::from(ToolError::fatal("stop")));
        assert!(error.is_fatal());
        assert_eq!(error.of_tool("pay").to_string(), "tool `pay` failed");
    }

    #[test]
    fn a_wrapped_tool_error_still_stops_the_run() {
        #[derive(Debug, thiserror::Error)]
        #[error("the payment failed")]
        struct Payment(#[source] ToolError);

        let error = ToolError::returned(BoxError::from(Payment(ToolError::fatal(
            "the ledger is corrupt",
        ))));
        assert!(error.is_fatal());
        assert_eq!(error.message_for_model(), "the payment failed");
    }

    #[test]
    fn a_panic_is_for_the_operator() {
        let error = ToolError::panic("password is hunter2".into()).of_tool("login");
        assert!(!error.message_for_model().contains("hunter2"));
        assert_eq!(
            error.source().map(ToString::to_string).as_deref(),
            Some("password is hunter2")
        );
    }

    #[test]
    fn the_nearest_name_is_found_or_none() {
        let tools = ["get_patient_allergies", "get_patient_medications"];
        assert_eq!(
            nearest("get_patient_medication", tools),
            Some("get_patient_medications")
        );
        assert_eq!(
            nearest("GetPatientAllergies", tools),
            Some("get_patient_allergies")
        );
        assert_eq!(nearest("send_mail", tools), None);
    }

    #[test]
    fn clipping_respects_characters() {
        assert_eq!(clip("short"), "short");
        assert_eq!(clip(&"é".repeat(200)), format!("{}…", "é".repeat(100)));
    }
}
