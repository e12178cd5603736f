//! The arguments of one call: a JSON object read once into a slot per parameter, every mistake in it reported together.

use std::error::Error;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use smallvec::SmallVec;

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
#[derive(Debug)]
pub struct Arguments<'a> {
    text: &'a str,
    params: &'a [&'a (dyn Describe + Sync)],
    /// One for each parameter, once the text is cut.
    slots: SmallVec<[Option<&'a str>; 8]>,
    taken: usize,
    errors: Vec<ArgumentError>,
    /// The text is no object: there is nothing to take.
    unreadable: Option<ToolError>,
}

impl<'a> Arguments<'a> {
    /// Arguments to take `params` from, all of them.
    ///
    /// The text is cut when the first is taken: slots filled before they are returned would be copied, and waited for.
    #[inline]
    pub(crate) fn read(text: &'a str, params: &'a [&'a (dyn Describe + Sync)]) -> Self {
        let mut arguments = Self::uncut(text, params);
        if params.is_empty() {
            arguments.cut(); // nobody will take any
        }
        arguments
    }

    #[inline]
    fn uncut(text: &'a str, params: &'a [&'a (dyn Describe + Sync)]) -> Self {
        Self { text, params, slots: SmallVec::new(), taken: 0, errors: Vec::new(), unreadable: None }
    }

    /// Cuts the text into one slot for each parameter. What is wrong with the text as a whole, and properties that are unknown
    /// or repeated, are noted as errors.
    fn cut(&mut self) {
        for _ in self.params {
            self.slots.push(None);
        }
        if cut_plain(self.text, self.params, &mut self.slots).is_none() {
            self.slots.fill(None);
            self.cut_any();
        }
    }

    /// As [`cut`](Self::cut), with slots that are still empty.
    fn cut_any(&mut self) {
        let mut json = serde_json::Deserializer::from_str(self.text);
        let read = json.deserialize_map(IntoSlots(self)).and_then(|()| json.end());
        self.unreadable = read.err().map(|error| not_an_object(self.text, &error));
    }

    /// The decoded value of the next parameter, or `None` after noting what is wrong with it. Parameters are taken in the
    /// order in which they were declared.
    #[inline]
    pub fn take<T>(&mut self, param: &Param<T>) -> Option<T> {
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

fn whole_object(text: &str) -> Result<&str, ToolError> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| not_an_object(text, &error))?;
    if !raw.get().starts_with('{') {
        object(text)?; // refused, in the same words
    }
    Ok(raw.get())
}

/// Refuses what a tool with these parameters would refuse, in the same words, without running it. `whole` tells that the one
/// parameter is the whole object.
///
/// # Errors
/// Those of [`Arguments`], or of [`whole`].
pub(crate) fn check(text: &str, params: &[&(dyn Describe + Sync)], whole: bool) -> Result<(), ToolError> {
    let mut arguments = Arguments::uncut(text, params);
    if whole {
        arguments.slots.resize(params.len(), Some(whole_object(text)?));
    } else {
        arguments.cut();
    }
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

/// Cuts the plainest objects, which most are, in a fraction of the time: each property is known and given once, its name without
/// escapes, and is a string without `\u`, a number, `true`, `false` or `null`. `None` of all others, and of what is no JSON: the
/// slots are good for nothing then.
fn cut_plain<'a>(text: &'a str, params: &[&(dyn Describe + Sync)], slots: &mut [Option<&'a str>]) -> Option<()> {
    let json = text.as_bytes();
    let mut at = past(json, after_space(json, 0), b'{')?;
    at = after_space(json, at);
    let mut end = past(json, at, b'}');
    while end.is_none() {
        let name = past(json, at, b'"')?;
        let length = before_special(&json[name..]);
        let colon = after_space(json, past(json, name + length, b'"')?);
        let name = &text[name..][..length];
        let value = after_space(json, past(json, colon, b':')?);
        let value_end = after_scalar(json, value)?;
        let slot = &mut slots[params.iter().position(|param| param.answers_to(name))?];
        if slot.replace(&text[value..value_end]).is_some() {
            return None;
        }
        at = after_space(json, value_end);
        match past(json, at, b',') {
            Some(comma) => at = after_space(json, comma),
            None => end = Some(past(json, at, b'}')?),
        }
    }
    (after_space(json, end?) == json.len()).then_some(())
}

/// Where the string, number, `true`, `false` or `null` that begins here ends.
fn after_scalar(json: &[u8], at: usize) -> Option<usize> {
    let word = |word: &[u8]| json[at..].starts_with(word).then_some(at + word.len());
    match json.get(at)? {
        b'"' => after_string(json, at),
        b't' => word(b"true"),
        b'f' => word(b"false"),
        b'n' => word(b"null"),
        _ => after_number(json, at),
    }
}

fn after_number(json: &[u8], at: usize) -> Option<usize> {
    let digits = |at: usize| {
        let count = json[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(at + count)
    };
    let at = past(json, at, b'-').unwrap_or(at);
    let mut at = past(json, at, b'0').or_else(|| digits(at))?;
    if let Some(point) = past(json, at, b'.') {
        at = digits(point)?;
    }
    match past(json, at, b'e').or_else(|| past(json, at, b'E')) {
        Some(e) => digits(past(json, e, b'+').or_else(|| past(json, e, b'-')).unwrap_or(e)),
        None => Some(at),
    }
}

fn after_string(json: &[u8], at: usize) -> Option<usize> {
    let mut at = past(json, at, b'"')?;
    loop {
        at += before_special(&json[at..]);
        match json.get(at..)? {
            [b'"', ..] => return Some(at + 1),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => at += 2,
            _ => return None,
        }
    }
}

fn after_space(json: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = json.get(at) {
        at += 1;
    }
    at
}

fn past(json: &[u8], at: usize, byte: u8) -> Option<usize> {
    (json.get(at) == Some(&byte)).then_some(at + 1)
}

/// How many bytes stand before the first quote, backslash or control character.
fn before_special(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255; // 1 in each byte
    let (words, rest) = bytes.as_chunks();
    for (position, word) in words.iter().enumerate() {
        // Eight bytes at once: the lowest one that is below the limit, and perhaps some above it, get their highest bit set.
        let word = u64::from_le_bytes(*word);
        let below = |limit: u8, word: u64| word.wrapping_sub(ONES * u64::from(limit)) & !word;
        let equal = |byte: u8| below(1, word ^ (ONES * u64::from(byte)));
        let special = (below(b' ', word) | equal(b'"') | equal(b'\\')) & (ONES << 7);
        if special != 0 {
            return 8 * position + special.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
    8 * words.len() + rest.iter().position(special).unwrap_or(rest.len())
}

struct IntoSlots<'s, 'a>(&'s mut Arguments<'a>);

impl<'a> Visitor<'a> for IntoSlots<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let params = self.0.params;
        while let Some(key) = map.next_key_seed(KeyOf(params))? {
            match key {
                Key::Unknown(name) => {
                    map.next_value::<IgnoredAny>()?;
                    self.0.errors.push(unknown(&name, params));
                }
                Key::Known(position) => {
                    let value = map.next_value::<&RawValue>()?;
                    let slot = &mut self.0.slots[position];
                    if slot.replace(value.get()).is_some() {
                        self.0.errors.push(ArgumentError::new(params[position].name(), "given twice; give it once"));
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

    /// What a text is cut into, or what is wrong with it.
    fn cut<'a>(text: &'a str, cut: impl FnOnce(&mut Arguments<'a>)) -> (Vec<Option<&'a str>>, Vec<ArgumentError>, Option<String>) {
        static NAMES: Param<String> = Param::new("names", "").or_called(&["limit", "é"]);
        static PARAMS: &[&(dyn Describe + Sync)] = &[&PATIENT, &LIMIT, &NAMES];
        let mut arguments = Arguments::uncut(text, PARAMS);
        cut(&mut arguments);
        (arguments.slots.to_vec(), arguments.errors, arguments.unreadable.map(|error| format!("{error:?}")))
    }

    fn cut_by_serde_json(arguments: &mut Arguments<'_>) {
        arguments.slots.resize(arguments.params.len(), None);
        arguments.cut_any();
    }

    /// White space, as far as JSON is concerned or not.
    fn space() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["", "", "", "", " ", "\n\t\r ", "\u{b}", "\u{a0}"])
    }

    /// A string literal, or nearly one.
    fn literal() -> impl Strategy<Value = String> {
        let parts = "patient_id limit names é x 12345678 \u{7f} \u{1f} \n \" \\n \\\" \\\\ \\/ \\u0061 \\ud800 \\u12 \\x \\é \\ { ]";
        let part = prop::sample::select(parts.split(' ').collect::<Vec<_>>());
        vec(part, 0..4).prop_map(|parts| format!("\"{}\"", parts.concat()))
    }

    fn number() -> impl Strategy<Value = String> {
        vec(prop::sample::select(vec!["0", "7", "10", "-", "+", ".", "e", "E"]), 1..6).prop_map(|parts| parts.concat())
    }

    fn property() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            4 => prop::sample::select(vec!["\"patient_id\"", "\"limit\"", "\"names\"", "\"é\""]).prop_map(str::to_owned),
            1 => literal(),
        ];
        let value = prop::sample::select(vec![
            "true",
            "false",
            "null",
            "nul",
            "truex",
            "TRUE",
            "NaN",
            "[]",
            "{}",
            "[1, {\"a\": \"]\"}]",
            "{",
            "",
            "\"P-1\"",
            "\"P-1",
        ]);
        let value = prop_oneof![value.prop_map(str::to_owned), literal(), number()];
        let colon = prop::sample::select(vec![":", ":", ":", ":", ":", ":", "", "::", ","]);
        (space(), name, space(), colon, space(), value, space())
            .prop_map(|(a, name, b, colon, c, value, d)| format!("{a}{name}{b}{colon}{c}{value}{d}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn plain_objects_are_cut_as_serde_json_cuts_them(
            start in prop::sample::select(vec!["{", "{", "{", " {", "{ ", "", "[", "{{"]),
            properties in vec(property(), 0..4),
            comma in prop::sample::select(vec![",", ",", ",", ",,", ""]),
            end in prop::sample::select(vec!["}", "}", "}", "} ", "", ",}", "}}", "]", "}x"]),
        ) {
            let text = format!("{start}{}{end}", properties.join(comma));
            prop_assert_eq!(cut(&text, Arguments::cut), cut(&text, cut_by_serde_json), "{}", text);
        }

        #[test]
        fn special_bytes_are_found_where_they_are(bytes in vec(prop_oneof![any::<u8>(), prop::sample::select(b"\"\\ !#[]\x1f\x80\xa2\xdc".to_vec())], 0..40)) {
            let first = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '));
            prop_assert_eq!(before_special(&bytes), first.unwrap_or(bytes.len()));
        }
    }

    #[test]
    fn most_objects_are_plain() {
        for (text, plain) in [
            ("{}", true),
            (r#"{"patient_id": "P-00123", "limit": 3}"#, true),
            (" {\n\t\"limit\" : -1.50E+3 ,\"patient_id\":\"\\\"é\\n\" } ", true),
            (r#"{"limit": null}"#, true),
            (r#"{"limit": 0e1, "patient_id": true}"#, true),
            (r#"{"limit": false}"#, true),
            (r#"{"limit": [3]}"#, false),
            (r#"{"limit": "\u0033"}"#, false),
            (r#"{"limit": 3, "limit": 3}"#, false),
            (r#"{"limits": 3}"#, false),
            (r#"{"limit": 03}"#, false),
            (r#"{"limit": 3,}"#, false),
            (r#"{"limit": 3"#, false),
        ] {
            assert_eq!(cut_plain(text, PARAMS, &mut [None; 2]).is_some(), plain, "{text}");
        }
    }

    #[test]
    fn a_tool_without_parameters_refuses_all_but_an_empty_object() {
        assert!(Arguments::read(" { } ", &[]).is_ok());
        for text in ["", "[]", r#"{"page": 1}"#] {
            assert!(!Arguments::read(text, &[]).is_ok(), "{text}");
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
