//! Errors of one call, for two readers: the program gets a typed error, the model text it can act
//! on.

use std::error::Error;
use std::fmt;
use std::iter::successors;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::bounded::{self, Form};
use super::code::ErrorCode;
use super::text::one_line;

/// Any error a tool can fail with.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// How far a chain of sources is followed: one that has no end must not keep a worker.
const MOST_SOURCES: usize = 64;

/// How much of an error's text is kept. What the model reads of it may be bounded further.
const MOST_TEXT: usize = 256 << 10;

/// What the model reads for an error without text.
const NO_TEXT: &str = "the tool failed, and its error has no text";

/// What holds the error a tool returned, whole: some types only give a reference to their error,
/// and would lose its type if turned into a box.
pub(crate) trait Cause: Send + Sync {
    fn error(&self) -> &(dyn Error + 'static);
}

impl Cause for BoxError {
    fn error(&self) -> &(dyn Error + 'static) {
        self.as_ref()
    }
}

/// An error that is borrowed from its holder: `anyhow::Error` and its like.
pub(crate) struct BorrowedError<E>(pub(crate) E);

impl<E: AsRef<dyn Error + Send + Sync> + Send + Sync> Cause for BorrowedError<E> {
    fn error(&self) -> &(dyn Error + 'static) {
        self.0.as_ref()
    }
}

/// Tool error: why one call failed.
///
/// The program reads [`code`](Self::code) and the [`source`](Error::source) chain, which ends in
/// the value the tool returned. The model reads [`message_for_model`](Self::message_for_model),
/// which says how to correct the call and never contains a panic's text or a backtrace.
///
/// A tool may return any displayable error. It returns this one to say more: with
/// [`ToolError::new`] a code, with [`ToolError::fatal`] that the run should stop.
///
/// Shape: serialised as an object with `code`, `message` (what the model reads) and, where there
/// are any, `tool`, `fatal` and `sources` (the text of each source, outermost first). Read back,
/// the sources are their texts.
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
    /// Fields of a stored error that this version does not know.
    unknown: Option<Box<Map<String, Value>>>,
}

impl ToolError {
    /// A failure of that kind; the model reads `message` as one line.
    ///
    /// An adapter reports this way what happened to a call on the other side. The code must be
    /// accurate about effects: `not_started` only if nothing ran, `…_indeterminate` if something
    /// may still be acting.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::with_text(code, or_placeholder(one_line(&message.into())))
    }

    /// The same with `error` as its [`source`](Error::source), which the program reads.
    #[must_use]
    pub fn with_source(self, error: impl Into<BoxError>) -> Self {
        let cause = Arc::new(error.into());
        self.but(|failure| failure.source = Some(cause))
    }

    /// The tool failed with `error`: the model reads its `Display` as one line, and the program
    /// gets it as the [`source`](Error::source).
    ///
    /// `?` does not turn every error into this one, since this is an error itself: write
    /// `.map_err(ToolError::from_error)`, or return the error as it is.
    pub fn from_error(error: impl Into<BoxError>) -> Self {
        Self::with_cause(ErrorCode::ToolError, error.into())
    }

    /// The tool failed in a way that makes further work pointless: calls not yet started are
    /// answered `not_started`, and an agent stops after this batch. Siblings that already run
    /// finish. An error of this type keeps its code.
    pub fn fatal(error: impl Into<BoxError>) -> Self {
        let error = match error.into().downcast::<Self>() {
            Ok(own) => *own,
            Err(error) => Self::from_error(error),
        };
        error.but(|failure| failure.fatal = true)
    }

    /// The arguments are wrong in a way only the tool can see. The model reads the error's
    /// `Display` as one line.
    pub fn invalid_arguments(error: impl Into<BoxError>) -> Self {
        Self::with_cause(ErrorCode::InvalidArguments, error.into())
    }

    /// What the model should read is what the cause says.
    fn with_cause(code: ErrorCode, cause: impl Cause + 'static) -> Self {
        let text = one_line(&bounded::display(cause.error(), MOST_TEXT));
        Self::with_text(code, or_placeholder(text))
            .but(|failure| failure.source = Some(Arc::new(cause)))
    }

    fn but(mut self, change: impl FnOnce(&mut Failure)) -> Self {
        change(&mut self.0);
        self
    }

    /// What a tool returned. A `ToolError` is used as it is; an error that wraps one takes its code
    /// and is fatal if that one is.
    pub(crate) fn returned(cause: impl Cause + 'static) -> Self {
        if let Some(own) = cause.error().downcast_ref::<Self>() {
            return own.clone().of_running();
        }
        let wrapped = sources(cause.error()).find_map(|error| error.downcast_ref::<Self>());
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

    /// What a tool returned has a text, and is not an error beyond that.
    pub(crate) fn displayed(error: &impl fmt::Display) -> Self {
        Self::from_error(bounded::display(error, MOST_TEXT))
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
            unknown: None,
        }))
    }

    /// The tool's output cannot be written as JSON.
    pub(crate) fn unserializable(error: serde_json::Error) -> Self {
        let text = format!("the tool's result cannot be written as JSON: {error}");
        Self::with_cause(ErrorCode::UnserializableOutput, BoxError::from(error))
            .but(|failure| failure.message_for_model = text)
    }

    /// The tool's output is longer than `most` bytes, and cannot be cut: it would be none of the
    /// schema that the tool has published.
    pub(crate) fn output_too_long(most: usize) -> Self {
        let text =
            format!("the tool's result is longer than the limit of {most} bytes; ask for less");
        Self::with_text(ErrorCode::UnserializableOutput, text)
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

    /// Whether the error says that no tool code ran.
    pub(super) fn never_ran(&self) -> bool {
        use ErrorCode::{
            Denied, Held, InvalidJson, NotStarted, Overloaded, TooLarge, TruncatedCall, UnknownTool,
        };
        self.is_undecoded()
            || matches!(
                self.code(),
                UnknownTool
                    | InvalidJson
                    | TooLarge
                    | TruncatedCall
                    | Denied
                    | Held
                    | Overloaded
                    | NotStarted
            )
    }

    /// Whether the arguments could not be decoded.
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
    /// what happened to that call says nothing of what this one has done.
    pub(crate) fn of_running(self) -> Self {
        if self.0.tool.is_none() {
            return self;
        }
        self.but(|failure| (failure.code, failure.undecoded) = (ErrorCode::ToolError, false))
    }

    /// The same, of the tool that was called by this name.
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

    /// What the model reads: one line that says what was wrong and, where the call is at fault,
    /// how to correct it.
    pub fn message_for_model(&self) -> &str {
        &self.0.message_for_model
    }
}

/// What the model reads, which is never empty.
fn or_placeholder(text: String) -> String {
    if text.is_empty() {
        return NO_TEXT.to_owned();
    }
    text
}

/// The sources of an error, the nearest first.
fn sources<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let next = |error: &&'e (dyn Error + 'static)| (*error).source();
    successors(error.source(), next).take(MOST_SOURCES)
}

impl From<String> for ToolError {
    fn from(message: String) -> Self {
        Self::from(message.as_str())
    }
}

impl From<&str> for ToolError {
    /// The tool failed; the model reads `message` as one line.
    fn from(message: &str) -> Self {
        Self::new(ErrorCode::ToolError, message)
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

/// An error as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredError {
    code: ErrorCode,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tool: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    fatal: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sources: Vec<String>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Serialize for ToolError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let failure = &*self.0;
        StoredError {
            code: failure.code,
            message: failure.message_for_model.clone(),
            tool: failure.tool.clone(),
            fatal: failure.fatal,
            sources: sources(self)
                .map(|source| bounded::display(source, MOST_TEXT))
                .collect(),
            unknown: failure.unknown.as_deref().cloned().unwrap_or_default(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ToolError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = StoredError::deserialize(deserializer)?;
        let text = |source, text| Some(Box::new(TextError { text, source }));
        let mut sources = stored.sources;
        sources.truncate(MOST_SOURCES); // a longer chain would use up the stack when it is dropped
        let source = sources.into_iter().rev().fold(None, text);
        let unknown = Some(stored.unknown).filter(|unknown| !unknown.is_empty());
        Ok(Self::with_text(stored.code, stored.message).but(|failure| {
            failure.tool = stored.tool;
            failure.fatal = stored.fatal;
            failure.source =
                source.map(|source| Arc::new(BoxError::from(source)) as Arc<dyn Cause>);
            failure.unknown = unknown.map(Box::new);
        }))
    }
}

/// The text of an error that was stored.
#[derive(Debug)]
struct TextError {
    text: String,
    source: Option<Box<TextError>>,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for TextError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests;
