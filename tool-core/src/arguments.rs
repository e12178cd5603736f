//! The arguments of one call: a JSON object read once into a slot per parameter, every mistake in it reported together.

use std::error::Error;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use smallvec::{SmallVec, smallvec};

use crate::error::{ErrorCode, ToolError, clip, nearest};
use crate::param::{Describe, Param};

/// What is wrong with one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentError {
    path: String,
    message: String,
}

impl ArgumentError {
    pub(crate) fn new(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), message: message.into() }
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

    /// Where it is: property names and indices from the arguments object down, `visits[2].date` for example.
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
/// [`ErrorCode::InvalidArguments`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentsError(Vec<ArgumentError>);

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

/// The arguments object of one call, cut into slots that are not decoded yet.
#[derive(Debug, Default)]
pub struct Arguments<'a> {
    slots: SmallVec<[Option<&'a RawValue>; 8]>,
    taken: usize,
    errors: Vec<ArgumentError>,
    /// The text is no object: there is nothing to take.
    unreadable: Option<ToolError>,
}

impl<'a> Arguments<'a> {
    /// Cuts `text` into one slot for each of `params`. What is wrong with the text as a whole, and properties that are
    /// unknown or repeated, are noted as errors.
    pub(crate) fn read(text: &'a str, params: &[&(dyn Describe + Sync)]) -> Self {
        let mut arguments = Self { slots: smallvec![None; params.len()], ..Self::default() };
        let mut json = serde_json::Deserializer::from_str(text);
        let read = json.deserialize_map(IntoSlots { arguments: &mut arguments, params }).and_then(|()| json.end());
        arguments.unreadable = read.err().map(|error| not_an_object(text, &error));
        arguments
    }

    /// The decoded value of the next parameter, or `None` after noting what is wrong with it. Parameters are taken in the
    /// order in which they were declared.
    pub fn take<T>(&mut self, param: &Param<T>) -> Option<T> {
        if self.unreadable.is_some() {
            return None;
        }
        let slot = self.slots.get(self.taken).copied().flatten();
        self.taken += 1;
        param.read(slot).map_err(|error| self.errors.push(error)).ok()
    }

    /// Whether nothing wrong has been noted.
    pub fn is_ok(&self) -> bool {
        self.errors.is_empty() && self.unreadable.is_none()
    }

    /// What has been noted.
    pub fn into_error(self) -> ToolError {
        self.unreadable.unwrap_or_else(|| ToolError::invalid_arguments(ArgumentsError(self.errors))).undecoded()
    }
}

/// The arguments of a tool that checks them itself.
///
/// # Errors
/// The text is not JSON, or not one JSON object.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, ToolError> {
    serde_json::from_str(text).map_err(|error| not_an_object(text, &error))
}

/// The arguments of a tool that takes them as one value.
///
/// # Errors
/// As [`object`], or the object is not what the type makes of one.
pub(crate) fn whole<T>(text: &str, param: &Param<T>) -> Result<T, ToolError> {
    param.read(Some(whole_object(text)?)).map_err(|error| ToolError::invalid_arguments(ArgumentsError(vec![error])))
}

fn whole_object(text: &str) -> Result<&RawValue, ToolError> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| not_an_object(text, &error))?;
    if !raw.get().starts_with('{') {
        object(text)?; // refused, in the same words
    }
    Ok(raw)
}

/// Refuses what a tool with these parameters would refuse, in the same words, without running it. `whole` tells that the one
/// parameter is the whole object.
///
/// # Errors
/// Those of [`Arguments`], or of [`whole`].
pub(crate) fn check(text: &str, params: &[&(dyn Describe + Sync)], whole: bool) -> Result<(), ToolError> {
    let mut arguments = if whole {
        Arguments { slots: smallvec![Some(whole_object(text)?); params.len()], ..Arguments::default() }
    } else {
        Arguments::read(text, params)
    };
    if arguments.unreadable.is_none() {
        let slots = arguments.slots.iter().zip(params);
        arguments.errors.extend(slots.filter_map(|(slot, param)| param.check(*slot).err()));
    }
    if arguments.is_ok() { Ok(()) } else { Err(arguments.into_error()) }
}

fn not_an_object(text: &str, error: &serde_json::Error) -> ToolError {
    if text.trim().is_empty() {
        return ToolError::with_text(ErrorCode::InvalidJson, "the arguments are empty; send one JSON object");
    }
    let (code, lead) = match error.classify() {
        Category::Data => (ErrorCode::InvalidArguments, "the arguments must be one JSON object"),
        Category::Syntax | Category::Eof | Category::Io => (ErrorCode::InvalidJson, "the arguments are not valid JSON"),
    };
    ToolError::with_text(code, format!("{lead}: {error}"))
}

struct IntoSlots<'s, 'a> {
    arguments: &'s mut Arguments<'a>,
    params: &'s [&'s (dyn Describe + Sync)],
}

impl<'a> Visitor<'a> for IntoSlots<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(KeyOf(self.params))? {
            match key {
                Key::Unknown(name) => {
                    map.next_value::<IgnoredAny>()?;
                    self.arguments.errors.push(unknown(&name, self.params));
                }
                Key::Known(position) => {
                    let value = map.next_value::<&RawValue>()?;
                    let slot = &mut self.arguments.slots[position];
                    if slot.replace(value).is_some() {
                        self.arguments.errors.push(ArgumentError::new(self.params[position].name(), "given twice; give it once"));
                    }
                }
            }
        }
        Ok(())
    }
}

enum Key {
    Known(usize),
    Unknown(String),
}

struct KeyOf<'s>(&'s [&'s (dyn Describe + Sync)]);

impl<'a> DeserializeSeed<'a> for KeyOf<'_> {
    type Value = Key;

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for KeyOf<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an argument")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        let known = self.0.iter().position(|param| param.answers_to(name));
        Ok(known.map_or_else(|| Key::Unknown(clip(name)), Key::Known))
    }
}

fn unknown(name: &str, params: &[&(dyn Describe + Sync)]) -> ArgumentError {
    let names = params.iter().map(|param| param.name());
    let mend = match nearest(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if params.is_empty() => "the tool takes none".to_owned(),
        None => format!("the tool takes {}", names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    };
    ArgumentError::new(name, format!("unknown argument ({mend})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    static PATIENT: Param<String> = Param::new("patient_id", "");
    static LIMIT: Param<u32> = Param::new("limit", "").or_default(|| 5);
    static PARAMS: &[&(dyn Describe + Sync)] = &[&PATIENT, &LIMIT];

    fn decode(text: &str) -> Result<(String, u32), ToolError> {
        let mut arguments = Arguments::read(text, PARAMS);
        match (arguments.take(&PATIENT), arguments.take(&LIMIT), arguments.is_ok()) {
            (Some(patient), Some(limit), true) => Ok((patient, limit)),
            _ => Err(arguments.into_error()),
        }
    }

    fn message(text: &str) -> String {
        decode(text).unwrap_err().model_text().to_owned()
    }

    proptest! {
        #[test]
        fn a_check_refuses_what_decoding_refuses_in_the_same_words(
            properties in vec((prop::sample::select(vec!["patient_id", "limit", "page", "limits"]), prop::sample::select(VALUES)), 0..4),
            end in prop::sample::select(vec!["}", "}", "}", "", "}}"]),
        ) {
            let properties: Vec<_> = properties.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
            let text = format!("{{{}{end}", properties.join(","));
            let (checked, decoded) = (check(&text, PARAMS, false), decode(&text));
            prop_assert_eq!(told(checked), told(decoded));
        }
    }

    const VALUES: &[&str] = &["\"P-1\"", "7", "7.0", "-7", "null", "[]", "{\"a\": 1}", "nil"];

    fn told<T>(outcome: Result<T, ToolError>) -> Option<(ErrorCode, String)> {
        outcome.err().map(|error| (error.code(), error.model_text().to_owned()))
    }

    #[test]
    fn a_check_reads_one_value_from_the_whole_object() {
        static LIMITS: Param<BTreeMap<String, u32>> = Param::new("limits", "").within(few, |_| {});
        fn few(limits: &BTreeMap<String, u32>) -> Result<(), String> {
            if limits.len() < 3 { Ok(()) } else { Err("too many".to_owned()) }
        }
        for (text, good) in [
            (" {\"a\": 1}", true),
            ("{}", true),
            ("{\"a\": -1}", false),
            ("{\"a\": 1, \"b\": 1, \"c\": 1}", false),
            ("[1]", false),
            ("null", false),
            ("", false),
            ("{} {}", false),
        ] {
            let checked = told(check(text, &[&LIMITS], true));
            assert_eq!(checked.is_none(), good, "{text}");
            assert_eq!(checked, told(whole(text, &LIMITS)), "{text}");
        }
    }

    #[test]
    fn a_check_makes_no_defaults() {
        static OPTIONAL: Param<u8> = Param::new("optional", "").or(|| panic!("made"));
        static DEFAULTED: Param<u8> = Param::new("defaulted", "").or_default(|| panic!("made"));
        assert!(check(r#"{"defaulted": null}"#, &[&OPTIONAL, &DEFAULTED], false).is_ok());
        assert!(check(r#"{"optional": null}"#, &[&OPTIONAL, &DEFAULTED], false).is_err());
    }

    #[test]
    fn a_default_stands_in_for_what_is_absent_or_null() {
        let expected = ("P-1".to_owned(), 5);
        assert_eq!(decode(r#"{"patient_id":"P-1"}"#).unwrap(), expected);
        assert_eq!(decode(r#"{"limit":null,"patient_id":"P-1"}"#).unwrap(), expected);
        assert_eq!(decode(" {\"patient_id\":\"P\\u002d1\" , \"limit\":7}\n").unwrap(), ("P-1".to_owned(), 7));
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        assert_eq!(
            message(r#"{"patientId":"P-1","limit":"ten"}"#),
            "`patientId`: unknown argument (did you mean `patient_id`?); \
             `patient_id`: missing; this string is required; \
             `limit`: invalid type: string \"ten\", expected u32"
        );
    }

    #[test]
    fn a_repeated_argument_is_refused() {
        assert_eq!(message(r#"{"patient_id":"a","patient_id":"b"}"#), "`patient_id`: given twice; give it once");
    }

    #[test]
    fn only_one_object_is_accepted() {
        for (text, code) in [
            ("", ErrorCode::InvalidJson),
            ("{\"patient_id\":\"P-1", ErrorCode::InvalidJson),
            ("{\"patient_id\":\"P-1\"}{}", ErrorCode::InvalidJson),
            ("[\"P-1\",5]", ErrorCode::InvalidArguments),
            ("null", ErrorCode::InvalidArguments),
            ("\"{}\"", ErrorCode::InvalidArguments),
        ] {
            assert_eq!(decode(text).unwrap_err().code(), code, "{text}");
        }
    }
}
