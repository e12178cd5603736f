//! From what a function returns to what the model reads.

use std::error::Error;
use std::fmt::{self, Display};
use std::marker::PhantomData;

use serde::Serialize;

use crate::bounded::{self, Form};
use crate::error::{BoxError, Lent, ToolError};

/// What a tool answers: the text the model reads. Equal to any other of the same text.
#[derive(Clone, Debug)]
pub struct ToolOutput {
    text: String,
    form: Form,
}

/// The bound of an output that has none.
const UNBOUNDED: usize = usize::MAX;

impl ToolOutput {
    /// Text for the model as it is.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            form: Form::Text,
        }
    }

    /// A value as the model will read it: what serialises as a string as that text, everything else
    /// as compact JSON.
    ///
    /// # Errors
    /// [`ErrorCode::UnserializableOutput`](crate::ErrorCode::UnserializableOutput), if the value
    /// cannot be written as JSON, a map with structured keys for example.
    pub fn from_serialize(value: &impl Serialize) -> Result<Self, ToolError> {
        Self::serialize_within(value, UNBOUNDED)
    }

    /// As [`from_serialize`](Self::from_serialize), and then [`within`](Self::within), but
    /// shortened while it is written: what is left out takes no memory.
    ///
    /// # Errors
    /// As [`from_serialize`](Self::from_serialize).
    pub(crate) fn serialize_within(value: &impl Serialize, most: usize) -> Result<Self, ToolError> {
        let (text, form) = bounded::write(value, most).map_err(ToolError::unserializable)?;
        Ok(Self { text, form })
    }

    /// The same, shortened to `most` bytes, or 256 if that is less. Text keeps its head and tail
    /// around a line that tells how many bytes are left out; JSON becomes an object that holds
    /// them: `{"truncated":true,"omitted_bytes":1234,"head":"[{\"na","tail":"}]"}`.
    pub(crate) fn within(self, most: usize) -> Self {
        Self {
            text: bounded::shorten(self.text, self.form, most),
            ..self
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text, owned.
    pub fn into_string(self) -> String {
        self.text
    }
}

impl PartialEq for ToolOutput {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ToolOutput {}

impl Display for ToolOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A type a tool may return. Implemented for every [`Serialize`] type; it exists for its
/// compile-time message.
#[diagnostic::on_unimplemented(
    message = "a tool cannot return `{Self}`: it has no `serde::Serialize`",
    label = "the model could not read this",
    note = "derive `serde::Serialize` for it, or return a `String`"
)]
pub trait Output: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Output for T {}

/// An error a tool may return. Implemented for every [`Display`] type; it exists for its
/// compile-time message.
#[diagnostic::on_unimplemented(
    message = "a tool cannot fail with `{Self}`: it has no `std::fmt::Display`",
    label = "the model could not read this error",
    note = "implement `std::error::Error` for it, or map it to a `String`"
)]
pub trait Failure: Display {}

#[diagnostic::do_not_recommend]
impl<E: Display> Failure for E {}

/// Tells a `Result` from every other return value by its shape, before any bound is asked for.
///
/// Choosing by bound would send errors as successes: `serde` serialises `Result<T, String>`.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<fn() -> T>);

/// Learns the type of a return value.
pub fn probe<T>(_: &T) -> Probe<T> {
    Probe(PhantomData)
}

impl<T, E> Probe<Result<T, E>> {
    /// Chosen before `PlainOutput::kind`, because an inherent method wins over a trait's.
    pub fn kind(&self) -> Fallible<T, E> {
        Fallible(PhantomData)
    }
}

/// The fall-back of `Probe::kind` for whatever is not a `Result`.
pub trait PlainOutput<T> {
    /// Output that cannot fail.
    fn kind(&self) -> Plain<T>;
}

impl<T> PlainOutput<T> for Probe<T> {
    fn kind(&self) -> Plain<T> {
        Plain(PhantomData)
    }
}

/// Output that cannot fail.
#[derive(Debug)]
pub struct Plain<T>(PhantomData<fn() -> T>);

impl<T> Plain<T> {
    /// The tool's answer, of at most so many bytes.
    pub fn finish(self, value: T, most: usize) -> Result<ToolOutput, ToolError>
    where
        T: Output,
    {
        ToolOutput::serialize_within(&value, most)
    }
}

/// Output of a function that returns a `Result`.
#[derive(Debug)]
pub struct Fallible<T, E>(PhantomData<fn() -> (T, E)>);

impl<T, E: AsRef<dyn Error + Send + Sync> + Send + Sync + 'static> Fallible<T, E> {
    /// Chosen before the traits below, for errors that lend another: `anyhow::Error` and its like.
    pub fn finish(self, returned: Result<T, E>, most: usize) -> Result<ToolOutput, ToolError>
    where
        T: Output,
    {
        finish(returned, most, |error| ToolError::returned(Lent(error)))
    }
}

/// The first fall-back of `Fallible::finish`: errors that keep their type in a box.
pub trait BoxFailure<T, E> {
    /// The tool's answer, of at most so many bytes.
    fn finish(self, returned: Result<T, E>, most: usize) -> Result<ToolOutput, ToolError>
    where
        T: Output;
}

impl<T, E: Into<BoxError>> BoxFailure<T, E> for Fallible<T, E> {
    fn finish(self, returned: Result<T, E>, most: usize) -> Result<ToolOutput, ToolError>
    where
        T: Output,
    {
        finish(returned, most, |error| ToolError::returned(error.into()))
    }
}

/// The last fall-back, found by reference: errors that are only displayable.
pub trait DisplayFailure<T, E> {
    /// The tool's answer, of at most so many bytes.
    fn finish(self, returned: Result<T, E>, most: usize) -> Result<ToolOutput, ToolError>
    where
        T: Output,
        E: Failure;
}

impl<T, E> DisplayFailure<T, E> for &Fallible<T, E> {
    fn finish(self, returned: Result<T, E>, most: usize) -> Result<ToolOutput, ToolError>
    where
        T: Output,
        E: Failure,
    {
        finish(returned, most, |error| {
            ToolError::from_error(error.to_string())
        })
    }
}

fn finish<T: Serialize, E>(
    returned: Result<T, E>,
    most: usize,
    failed: impl FnOnce(E) -> ToolError,
) -> Result<ToolOutput, ToolError> {
    ToolOutput::serialize_within(&returned.map_err(failed)?, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use std::collections::BTreeMap;
    use std::io;

    /// What generated code does with a return value.
    macro_rules! finish {
        ($value:expr) => {{
            let value = $value;
            probe(&value).kind().finish(value, UNBOUNDED)
        }};
    }

    #[test]
    fn strings_are_text_and_the_rest_is_json() {
        assert_eq!(
            finish!("a \"quoted\" word").unwrap().as_str(),
            "a \"quoted\" word"
        );
        assert_eq!(finish!('x').unwrap().as_str(), "x");
        assert_eq!(finish!(()).unwrap().as_str(), "null");
        assert_eq!(finish!(vec![Some(1), None]).unwrap().as_str(), "[1,null]");
        assert_eq!(finish!(Some("text")).unwrap().as_str(), "text");
    }

    #[test]
    fn an_error_is_never_sent_as_a_success() {
        let serializable: Result<u8, String> = Err("no".into());
        assert_eq!(finish!(serializable).unwrap_err().message_for_model(), "no");
        let borrowed: Result<(), &'static str> = Err("neither");
        assert_eq!(
            finish!(borrowed).unwrap_err().message_for_model(),
            "neither"
        );
        let io: io::Result<()> = Err(io::Error::other("disk"));
        assert!(
            std::error::Error::source(&finish!(io).unwrap_err())
                .is_some_and(|source| source.is::<io::Error>())
        );
    }

    #[test]
    fn an_error_that_is_only_displayable_will_do() {
        struct Plain;
        impl Display for Plain {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("plain")
            }
        }
        assert_eq!(
            finish!(Err::<(), _>(Plain))
                .unwrap_err()
                .message_for_model(),
            "plain"
        );
    }

    #[test]
    fn json_and_text_are_told_apart_when_they_are_shortened() {
        let (text, list) = ("word ".repeat(1000), vec!["word"; 1000]);
        assert!(
            ToolOutput::from_text(&text)
                .within(1000)
                .as_str()
                .contains(" bytes left out]\n")
        );
        assert_eq!(
            ToolOutput::from_serialize(&text).unwrap().within(1000),
            ToolOutput::from_text(&text).within(1000)
        );
        let short = ToolOutput::from_serialize(&list).unwrap().within(1000);
        assert!(
            short
                .as_str()
                .starts_with(r#"{"truncated":true,"omitted_bytes":6"#),
            "{short}"
        );
        assert_eq!(ToolOutput::serialize_within(&list, 1000).unwrap(), short);
        assert_eq!(short.clone().within(1000), short);
    }

    #[test]
    fn outputs_of_the_same_text_are_equal() {
        assert_eq!(
            ToolOutput::from_text("5"),
            ToolOutput::from_serialize(&5).unwrap()
        );
    }

    #[test]
    fn what_json_cannot_hold_is_an_error() {
        let map = BTreeMap::from([((1, 2), "pair")]);
        assert_eq!(
            finish!(map).unwrap_err().code(),
            ErrorCode::UnserializableOutput
        );
    }
}
