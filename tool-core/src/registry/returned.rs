//! From what a function returns to what the model reads. Used by generated code.

use std::error::Error;
use std::fmt::Display;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::model::{BorrowedError, BoxError, OutputFormat, ToolError, ToolOutput};
use crate::schema;

/// A type a tool may return. Implemented for every [`Serialize`] type; it exists for its
/// compile-time message.
#[diagnostic::on_unimplemented(
    message = "a tool cannot return `{Self}`: it has no `serde::Serialize`",
    label = "the model could not read this",
    note = "return a type that derives `serde::Serialize`, or a `String`"
)]
pub trait Returned: Serialize {}

impl<T: Serialize> Returned for T {}

/// What a `structured` tool may return. Implemented for every type that has a schema; it exists for
/// its compile-time message.
#[diagnostic::on_unimplemented(
    message = "a `structured` tool cannot return `{Self}`: it has no `schemars::JsonSchema`",
    label = "no schema to publish for this",
    note = "return a type that derives `schemars::JsonSchema`, or leave out `structured`"
)]
pub trait Structured: Returned + JsonSchema {}

impl<T: Returned + JsonSchema> Structured for T {}

/// An error a tool may return. Implemented for every [`Display`] type; it exists for its
/// compile-time message.
#[diagnostic::on_unimplemented(
    message = "a tool cannot fail with `{Self}`: it has no `std::fmt::Display`",
    label = "the model could not read this error",
    note = "map it to a type that implements `std::error::Error`, or to a `String`"
)]
pub trait ReturnedError: Display {}

#[diagnostic::do_not_recommend]
impl<E: Display> ReturnedError for E {}

/// Distinguishes a `Result` from every other return value by its shape, before any bound is
/// checked.
///
/// Choosing by bound would send errors as successes: `serde` serialises `Result<T, String>`.
#[derive(Debug)]
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// Of a type.
    pub fn of_type() -> Self {
        Self(PhantomData)
    }
}

/// Learns the type of a return value.
pub fn probe<T>(_: &T) -> Probe<T> {
    Probe(PhantomData)
}

impl<T, E> Probe<Result<T, E>> {
    /// Chosen before `PlainOutput::__tool_kind`, because an inherent method wins over a trait's.
    pub fn __tool_kind(&self) -> Fallible<T, E> {
        Fallible(PhantomData)
    }
}

/// The fall-back of `Probe::__tool_kind` for whatever is not a `Result`.
pub trait PlainOutput<T> {
    /// Output that cannot fail.
    fn __tool_kind(&self) -> Plain<T>;
}

impl<T> PlainOutput<T> for Probe<T> {
    fn __tool_kind(&self) -> Plain<T> {
        Plain(PhantomData)
    }
}

/// Output that cannot fail.
#[derive(Debug)]
pub struct Plain<T>(PhantomData<fn() -> T>);

impl<T> Plain<T> {
    /// The schema of it.
    pub fn __tool_schema(self) -> Value
    where
        T: Structured,
    {
        schema::of_output::<T>()
    }

    /// The tool's answer.
    pub fn __tool_finish(self, value: T, format: OutputFormat) -> Result<ToolOutput, ToolError>
    where
        T: Returned,
    {
        ToolOutput::serialize_within(&value, format)
    }
}

/// Output of a function that returns a `Result`.
#[derive(Debug)]
pub struct Fallible<T, E>(PhantomData<fn() -> (T, E)>);

impl<T, E> Fallible<T, E> {
    /// The schema of it, if it does not fail.
    pub fn __tool_schema(self) -> Value
    where
        T: Structured,
    {
        schema::of_output::<T>()
    }
}

impl<T, E: AsRef<dyn Error + Send + Sync> + Send + Sync + 'static> Fallible<T, E> {
    /// Chosen before the traits below, for errors that dereference to another: `anyhow::Error` and
    /// its like.
    pub fn __tool_finish(
        self,
        returned: Result<T, E>,
        format: OutputFormat,
    ) -> Result<ToolOutput, ToolError>
    where
        T: Returned,
    {
        finish(returned, format, |error| {
            ToolError::returned(BorrowedError(error))
        })
    }
}

/// The first fall-back of `Fallible::__tool_finish`: errors that keep their type in a box.
pub trait BoxFailure<T, E> {
    /// The tool's answer.
    fn __tool_finish(
        self,
        returned: Result<T, E>,
        format: OutputFormat,
    ) -> Result<ToolOutput, ToolError>
    where
        T: Returned;
}

impl<T, E: Into<BoxError>> BoxFailure<T, E> for Fallible<T, E> {
    fn __tool_finish(
        self,
        returned: Result<T, E>,
        format: OutputFormat,
    ) -> Result<ToolOutput, ToolError>
    where
        T: Returned,
    {
        finish(returned, format, |error| ToolError::returned(error.into()))
    }
}

/// The last fall-back, found by reference: errors that are only displayable.
pub trait DisplayFailure<T, E> {
    /// The tool's answer.
    fn __tool_finish(
        self,
        returned: Result<T, E>,
        format: OutputFormat,
    ) -> Result<ToolOutput, ToolError>
    where
        T: Returned,
        E: ReturnedError;
}

impl<T, E> DisplayFailure<T, E> for &Fallible<T, E> {
    fn __tool_finish(
        self,
        returned: Result<T, E>,
        format: OutputFormat,
    ) -> Result<ToolOutput, ToolError>
    where
        T: Returned,
        E: ReturnedError,
    {
        finish(returned, format, |error| ToolError::displayed(&error))
    }
}

fn finish<T: Serialize, E>(
    returned: Result<T, E>,
    format: OutputFormat,
    failed: impl FnOnce(E) -> ToolError,
) -> Result<ToolOutput, ToolError> {
    ToolOutput::serialize_within(&returned.map_err(failed)?, format)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ErrorCode;
    use std::collections::BTreeMap;
    use std::fmt;
    use std::io;

    /// What generated code does with a return value.
    macro_rules! finish {
        ($value:expr) => {{
            let value = $value;
            probe(&value)
                .__tool_kind()
                .__tool_finish(value, OutputFormat::UNBOUNDED)
        }};
    }

    #[test]
    fn strings_are_text_and_the_rest_is_json() {
        assert_eq!(
            finish!("a \"quoted\" word").unwrap().text(),
            "a \"quoted\" word"
        );
        assert_eq!(finish!('x').unwrap().text(), "x");
        assert_eq!(finish!(()).unwrap().text(), "null");
        assert_eq!(finish!(vec![Some(1), None]).unwrap().text(), "[1,null]");
        assert_eq!(finish!(Some("text")).unwrap().text(), "text");
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
    fn an_error_at_the_top_of_what_is_returned_is_one() {
        #[derive(Serialize)]
        struct Refused {
            reason: &'static str,
        }

        let failed = || Err::<u8, _>("disk full".to_owned());
        for outcome in [
            finish!(Ok::<_, fmt::Error>(failed())),
            finish!(Some(failed())),
            finish!(Box::new(failed())),
            finish!(Ok::<_, fmt::Error>(Some(Ok::<_, u8>(failed())))),
        ] {
            let error = outcome.unwrap_err();
            assert_eq!(
                (error.code(), error.message_for_model()),
                (ErrorCode::ToolError, "disk full")
            );
        }
        let refused = Err::<u8, _>(Refused { reason: "full" });
        let error = finish!(Some(refused)).unwrap_err();
        assert_eq!(error.message_for_model(), r#"{"reason":"full"}"#);
        let fine = Ok::<_, fmt::Error>(Ok::<_, String>("fine"));
        assert_eq!(finish!(fine).unwrap().text(), "fine");
        // Within a list it is one of several answers.
        assert_eq!(
            finish!(vec![Ok(1), failed()]).unwrap().text(),
            r#"[{"Ok":1},{"Err":"disk full"}]"#
        );
        let structured = OutputFormat {
            structured: true,
            ..OutputFormat::UNBOUNDED
        };
        let error = ToolOutput::serialize_within(&failed(), structured).unwrap_err();
        assert_eq!(error.message_for_model(), "disk full");
    }

    #[test]
    fn an_error_that_is_only_displayable_is_accepted() {
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
    fn a_value_without_a_json_form_is_an_error() {
        let map = BTreeMap::from([((1, 2), "pair")]);
        assert_eq!(
            finish!(map).unwrap_err().code(),
            ErrorCode::UnserializableOutput
        );
    }
}
