//! The arguments of one call: a JSON object read once into a slot per parameter, every mistake in
//! it reported together.

mod errors;
mod plain;
mod slots;

use serde::de::Deserializer as _;
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::param::{Describe, Param};
use crate::model::ToolError;
use crate::model::object::{self, not_an_object};
pub use errors::{ArgumentError, ArgumentsError};
use slots::IntoSlots;

/// The arguments object of one call, cut into slots that are not decoded yet.
#[derive(Debug)]
pub struct Arguments<'a> {
    text: &'a str,
    params: &'a [&'a (dyn Describe + Sync)],
    /// One for each parameter, once the text is cut.
    slots: SmallVec<[Option<&'a str>; 8]>,
    taken: usize,
    errors: Vec<ArgumentError>,
    /// The text is not an object: there is nothing to take.
    unreadable: Option<ToolError>,
}

impl<'a> Arguments<'a> {
    /// Arguments to take `params` from, all of them.
    ///
    /// The text is cut when the first is taken: slots filled before they are returned would be
    /// copied, and waited for.
    #[inline]
    pub(crate) fn read(text: &'a str, params: &'a [&'a (dyn Describe + Sync)]) -> Self {
        let mut arguments = Self::uncut(text, params);
        if params.is_empty() {
            arguments.cut(); // no parameter takes any
        }
        arguments
    }

    #[inline]
    fn uncut(text: &'a str, params: &'a [&'a (dyn Describe + Sync)]) -> Self {
        Self {
            text,
            params,
            slots: SmallVec::new(),
            taken: 0,
            errors: Vec::new(),
            unreadable: None,
        }
    }

    /// Cuts the text into one slot for each parameter. What is wrong with the text as a whole, and
    /// properties that are unknown or repeated, are noted as errors.
    fn cut(&mut self) {
        for _ in self.params {
            self.slots.push(None);
        }
        if plain::cut(self.text, self.params, &mut self.slots).is_none() {
            self.slots.fill(None);
            self.cut_any();
        }
    }

    /// As [`cut`](Self::cut), with slots that are still empty.
    fn cut_any(&mut self) {
        let mut json = serde_json::Deserializer::from_str(self.text);
        let read = json
            .deserialize_map(IntoSlots(self))
            .and_then(|()| json.end());
        self.unreadable = read.err().map(|error| not_an_object(self.text, &error));
    }

    /// The decoded value of the next parameter, or `None` after noting what is wrong with it.
    /// Parameters are taken in the order in which they were declared.
    #[inline]
    pub fn __tool_take<T>(&mut self, param: &Param<T>) -> Option<T> {
        if self.taken == 0 {
            self.cut();
        }
        let slot = self.slots.get(self.taken).copied().flatten();
        self.taken += 1;
        if self.unreadable.is_some() {
            return None;
        }
        match param.read(slot) {
            Ok(value) => Some(value),
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }

    /// Whether nothing wrong has been noted.
    #[inline]
    pub fn __tool_is_ok(&self) -> bool {
        self.errors.is_empty() && self.unreadable.is_none()
    }

    /// What has been noted.
    pub fn __tool_into_error(self) -> ToolError {
        self.unreadable
            .unwrap_or_else(|| ToolError::invalid_arguments(ArgumentsError(self.errors)))
            .undecoded()
    }
}

/// The arguments of a tool that takes them as one value.
///
/// # Errors
/// As [`object::read_arguments`], or the object is not what the type makes of one.
pub(crate) fn whole<T>(text: &str, param: &Param<T>) -> Result<T, ToolError> {
    param
        .read(Some(whole_object(text)?))
        .map_err(|error| ToolError::invalid_arguments(ArgumentsError(vec![error])))
}

fn whole_object(text: &str) -> Result<&str, ToolError> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| not_an_object(text, &error))?;
    if !raw.get().starts_with('{') {
        object::read_arguments(text)?; // refused, with the same errors
    }
    Ok(raw.get())
}

/// Refuses what a tool with these parameters would refuse, with the same errors, without running
/// it. `whole`: the one parameter is the whole object.
///
/// # Errors
/// Those of [`Arguments`], or of [`whole`].
pub(crate) fn check(
    text: &str,
    params: &[&(dyn Describe + Sync)],
    whole: bool,
) -> Result<(), ToolError> {
    let mut arguments = Arguments::uncut(text, params);
    if whole {
        arguments
            .slots
            .resize(params.len(), Some(whole_object(text)?));
    } else {
        arguments.cut();
    }
    if arguments.unreadable.is_none() {
        let slots = arguments.slots.iter().zip(params);
        arguments
            .errors
            .extend(slots.filter_map(|(slot, param)| param.check(*slot).err()));
    }
    if arguments.__tool_is_ok() {
        Ok(())
    } else {
        Err(arguments.__tool_into_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ErrorCode;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    pub(super) static PATIENT: Param<String> = Param::new("patient_id", "");
    pub(super) static LIMIT: Param<u32> = Param::new("limit", "").or_default(|| 5);
    pub(super) static PARAMS: &[&(dyn Describe + Sync)] = &[&PATIENT, &LIMIT];

    fn decode(text: &str) -> Result<(String, u32), ToolError> {
        let mut arguments = Arguments::read(text, PARAMS);
        match (
            arguments.__tool_take(&PATIENT),
            arguments.__tool_take(&LIMIT),
            arguments.__tool_is_ok(),
        ) {
            (Some(patient), Some(limit), true) => Ok((patient, limit)),
            _ => Err(arguments.__tool_into_error()),
        }
    }

    fn message(text: &str) -> String {
        decode(text).unwrap_err().message_for_model().to_owned()
    }

    proptest! {
        #[test]
        fn a_check_gives_the_same_errors_as_decoding(
            properties in vec((prop::sample::select(vec!["patient_id", "limit", "page", "limits"]), prop::sample::select(VALUES)), 0..4),
            end in prop::sample::select(vec!["}", "}", "}", "", "}}"]),
        ) {
            let properties: Vec<_> = properties.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
            let text = format!("{{{}{end}", properties.join(","));
            let (checked, decoded) = (check(&text, PARAMS, false), decode(&text));
            prop_assert_eq!(code_and_text(checked), code_and_text(decoded));
        }
    }

    #[test]
    fn a_tool_without_parameters_refuses_all_but_an_empty_object() {
        assert!(Arguments::read(" { } ", &[]).__tool_is_ok());
        for text in ["", "[]", r#"{"page": 1}"#] {
            assert!(!Arguments::read(text, &[]).__tool_is_ok(), "{text}");
        }
    }

    const VALUES: &[&str] = &[
        "\"P-1\"",
        "7",
        "7.0",
        "-7",
        "null",
        "[]",
        "{\"a\": 1}",
        "nil",
    ];

    fn code_and_text<T>(outcome: Result<T, ToolError>) -> Option<(ErrorCode, String)> {
        outcome
            .err()
            .map(|error| (error.code(), error.message_for_model().to_owned()))
    }

    #[test]
    fn a_check_reads_one_value_from_the_whole_object() {
        static LIMITS: Param<BTreeMap<String, u32>> = Param::new("limits", "").within(few, |_| {});
        fn few(limits: &BTreeMap<String, u32>) -> Result<(), String> {
            if limits.len() < 3 {
                Ok(())
            } else {
                Err("too many".to_owned())
            }
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
            let checked = code_and_text(check(text, &[&LIMITS], true));
            assert_eq!(checked.is_none(), good, "{text}");
            assert_eq!(checked, code_and_text(whole(text, &LIMITS)), "{text}");
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
    fn a_default_replaces_an_absent_or_null_argument() {
        let expected = ("P-1".to_owned(), 5);
        assert_eq!(decode(r#"{"patient_id":"P-1"}"#).unwrap(), expected);
        assert_eq!(
            decode(r#"{"limit":null,"patient_id":"P-1"}"#).unwrap(),
            expected
        );
        assert_eq!(
            decode(" {\"patient_id\":\"P\\u002d1\" , \"limit\":7}\n").unwrap(),
            ("P-1".to_owned(), 7)
        );
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
        assert_eq!(
            message(r#"{"patient_id":"a","patient_id":"b"}"#),
            "`patient_id`: given twice; give it once"
        );
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
