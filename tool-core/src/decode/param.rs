//! One declared parameter of a tool: its property in the schema, and how it is decoded. Used by
//! generated code.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::arguments::ArgumentError;
use super::explain::explain;
use super::integers;
use super::strict::Strict;
use crate::schema::{self, Property};

/// A type of a tool's parameter, which the model can write.
///
/// It is implemented for every type that has `serde::Deserialize` and `schemars::JsonSchema`. A type
/// of your own derives both:
///
/// ```
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Ward {
///     floor: u32,
/// }
///
/// /// Count the beds of a ward.
/// #[tool_core::tool]
/// async fn count_beds(ward: Ward) -> u32 {
///     12 * ward.floor
/// }
/// ```
///
/// A crate that depends on `tool-core` alone says where the derives find their crates, or they end
/// with "can't find crate for `serde`":
///
/// ```
/// # use tool_core::{schemars, serde};
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// #[serde(crate = "tool_core::serde")]
/// #[schemars(crate = "tool_core::schemars")]
/// struct Ward {
///     floor: u32,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a tool parameter: it needs `serde::Deserialize` and `schemars::JsonSchema`",
    label = "the model cannot write this",
    note = "derive what is missing, if the type is your own; if the program provides the value, mark the parameter `#[state]`"
)]
pub trait Parameter: Sized {
    /// A required parameter of this type. Used by generated code.
    #[doc(hidden)]
    const __TOOL_PARAM: Param<Self>;
}

impl<T: DeserializeOwned + JsonSchema> Parameter for T {
    const __TOOL_PARAM: Param<T> = Param {
        name: "",
        description: "",
        schema: schema::of_type::<T>,
        decode: decode::<T>,
        missing: Missing::IsAnError,
        aliases: &[],
        check: None,
        narrow: None,
    };
}

/// What a parameter that is a reference can point to: every [`Parameter`], `str` and `Path`.
#[diagnostic::on_unimplemented(
    message = "`&{Self}` cannot be a tool parameter: `{Self}` needs `serde::Deserialize` and `schemars::JsonSchema`",
    label = "the model cannot write this",
    note = "derive what is missing, if the type is your own; if the program provides the value, mark the parameter `#[state]`"
)]
pub trait BorrowedParameter {
    /// The decoded value that the reference points to.
    #[doc(hidden)]
    type Owned: Parameter;

    /// The reference the function takes.
    #[doc(hidden)]
    fn __tool_borrow(owned: &Self::Owned) -> &Self;
}

impl<T: Parameter> BorrowedParameter for T {
    type Owned = T;

    fn __tool_borrow(owned: &T) -> &T {
        owned
    }
}

impl BorrowedParameter for str {
    type Owned = String;

    fn __tool_borrow(owned: &String) -> &str {
        owned
    }
}

impl BorrowedParameter for Path {
    type Owned = PathBuf;

    fn __tool_borrow(owned: &PathBuf) -> &Path {
        owned
    }
}

/// A parameter that decodes to a `T`.
pub struct Param<T> {
    name: &'static str,
    description: &'static str,
    schema: fn(&mut SchemaGenerator) -> Schema,
    decode: fn(&str) -> Result<T, ArgumentError>,
    missing: Missing<T>,
    aliases: &'static [&'static str],
    check: Option<Check<T>>,
    narrow: Option<fn(&mut Schema)>,
}

/// Says what is wrong with a value that its type admits.
type Check<T> = fn(&T) -> Result<(), String>;

enum Missing<T> {
    IsAnError,
    Becomes(fn() -> T),
    /// As above, and `null` is decoded to the same.
    IsNull(fn() -> T),
    /// As above, and `null` means the same. The second function gives what the definition shows.
    HasDefault(fn() -> T, Option<fn(&T) -> Value>),
}

impl<T> Param<T> {
    /// A required parameter.
    pub(crate) const fn new(name: &'static str, description: &'static str) -> Self
    where
        T: Parameter,
    {
        T::__TOOL_PARAM.described(name, description)
    }

    /// The same with a name, and what it is for.
    pub const fn described(mut self, name: &'static str, description: &'static str) -> Self {
        self.name = name;
        self.description = description;
        self
    }

    /// May be left out.
    pub const fn or(mut self, missing: fn() -> T) -> Self {
        self.missing = Missing::Becomes(missing);
        self
    }

    /// May be left out, which is the same as `null`.
    pub const fn or_null(mut self, missing: fn() -> T) -> Self {
        self.missing = Missing::IsNull(missing);
        self
    }

    /// May be left out or `null`.
    pub const fn or_default(mut self, default: fn() -> T) -> Self {
        self.missing = Missing::HasDefault(default, None);
        self
    }

    /// As [`or_default`](Self::or_default), for a default that never changes: the definition shows
    /// it.
    pub const fn or_constant(mut self, default: fn() -> T) -> Self
    where
        T: Shown,
    {
        self.missing = Missing::HasDefault(default, Some(shown));
        self
    }

    /// Has other names too, which are not shown to the model.
    pub const fn or_called(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Admits part of its type only: `check` refuses what the schema, after `narrow`, refuses.
    pub const fn within(mut self, check: Check<T>, narrow: fn(&mut Schema)) -> Self {
        self.check = Some(check);
        self.narrow = Some(narrow);
        self
    }

    /// The value of the property, or what is wrong with it.
    #[inline]
    pub(crate) fn read(&self, raw: Option<&str>) -> Result<T, ArgumentError> {
        if let Some(value) = self.replace_missing(raw) {
            return Ok(value());
        }
        let raw = raw.ok_or_else(|| ArgumentError::new(self.name, self.missing_message()))?;
        let value = (self.decode)(raw).map_err(|error| self.explain(raw, error))?;
        match self.check {
            Some(check) => check(&value)
                .map(|()| value)
                .map_err(|message| ArgumentError::new(self.name, message)),
            None => Ok(value),
        }
    }

    /// What makes the value of a property that need not be there and is not.
    fn replace_missing(&self, raw: Option<&str>) -> Option<fn() -> T> {
        match (&self.missing, raw) {
            (
                Missing::Becomes(value) | Missing::IsNull(value) | Missing::HasDefault(value, _),
                None,
            ) => Some(*value),
            (Missing::HasDefault(value, _), Some("null")) => Some(*value),
            _ => None,
        }
    }

    #[cold]
    fn explain(&self, raw: &str, error: ArgumentError) -> ArgumentError {
        let mut generator = SchemaGenerator::default();
        let mut schema = (self.schema)(&mut generator).to_value();
        if let Some(object) = schema.as_object_mut() {
            object.insert("$defs".to_owned(), generator.take_definitions(true).into());
        }
        explain(raw, &schema, error).inside(self.name)
    }

    fn missing_message(&self) -> String {
        let schema = (self.schema)(&mut SchemaGenerator::default());
        match schema.get("type").and_then(Value::as_str) {
            Some(kind) => format!("missing; this {kind} is required"),
            None => "missing; this argument is required".to_owned(),
        }
    }
}

impl<T> fmt::Debug for Param<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Param")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Decodes one value, and refuses what its schema refuses, as far as [`Strict`] sees it.
///
/// Integers may be written as floats: what does not decode is tried once more with `5.0` written as
/// `5`. What is wrong then is wrong for another reason.
fn decode<T: DeserializeOwned>(text: &str) -> Result<T, ArgumentError> {
    // Only arrays and objects have parts to check.
    if !matches!(text.as_bytes().first(), Some(b'{' | b'['))
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(value);
    }
    decode_watched(text)
}

#[inline(never)] // keeps the code on the path of every call small
fn decode_watched<T: DeserializeOwned>(text: &str) -> Result<T, ArgumentError> {
    decode_text(text).or_else(|error| match integers::write_out(text) {
        Some(text) => decode_text(&text),
        None => Err(error),
    })
}

fn decode_text<T: DeserializeOwned>(text: &str) -> Result<T, ArgumentError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let mut track = serde_path_to_error::Track::new();
    let decoded = T::deserialize(serde_path_to_error::Deserializer::new(
        Strict::new(&mut json),
        &mut track,
    ));
    // The value ends here, but 128-bit integers stop reading at a decimal point.
    decoded
        .and_then(|value| json.end().map(|()| value))
        .map_err(|error| {
            let path = track.path().to_string();
            let message = error.to_string();
            // The position is counted from the start of this one value: the path says more.
            let message = message
                .rfind(" at line ")
                .map_or(message.as_str(), |end| &message[..end]);
            ArgumentError::new(if path == "." { "" } else { &path }, message)
        })
}

/// A parameter, whatever its type.
pub trait Describe: Property + fmt::Debug {
    /// Whether it is the one meant by `name`.
    fn answers_to(&self, name: &str) -> bool;

    /// Whether the property can be decoded. No default is made for one that may be left
    /// out.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check(&self, raw: Option<&str>) -> Result<(), ArgumentError>;
}

impl<T> Property for Param<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_required(&self) -> bool {
        matches!(self.missing, Missing::IsAnError)
    }

    fn null_means_absent(&self) -> bool {
        matches!(self.missing, Missing::IsNull(_) | Missing::HasDefault(..))
    }

    fn property(&self, generator: &mut SchemaGenerator) -> Schema {
        let mut schema = schema::describe((self.schema)(generator), self.description);
        if let Some(narrow) = self.narrow {
            narrow(&mut schema);
        }
        if let Missing::HasDefault(default, Some(shown)) = self.missing {
            let default = shown(&default());
            // One without a JSON form.
            if !default.is_null() {
                schema.insert("default".to_owned(), default);
            }
        }
        schema
    }
}

impl<T> Describe for Param<T> {
    fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    fn check(&self, raw: Option<&str>) -> Result<(), ArgumentError> {
        match self.replace_missing(raw) {
            Some(_) => Ok(()),
            None => self.read(raw).map(drop),
        }
    }
}

/// A type whose constant defaults can be shown. Implemented for every [`Serialize`] type; it exists
/// for its message.
#[diagnostic::on_unimplemented(
    message = "a constant default is shown to the model, and `{Self}` has no `serde::Serialize`",
    label = "the model could not read this default",
    note = "derive `serde::Serialize` if the type is your own, or put the default in braces, `default = {{ … }}`, to keep it from the model"
)]
pub trait Shown: Serialize {}

impl<T: Serialize> Shown for T {}

/// What a default looks like in the definition.
///
/// By way of its text: an `f32` of 0.1 is shown as 0.1, not as the `f64` next to it.
pub(crate) fn shown<T: Serialize>(value: &T) -> Value {
    serde_json::to_string(value)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}
