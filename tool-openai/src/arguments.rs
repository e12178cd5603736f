//! Argument text to a JSON object, with the few repairs that are safe.

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};
use tool_core::serde_json::value::RawValue;
use tool_core::serde_json::{self, Map, Value};

/// Into how many calls the objects in one call's arguments are split at most; more of them are an
/// error.
const MOST_OBJECTS: usize = 64;

/// What was repaired in a call before it ran, so that a program can log it. `Display` says it in a
/// few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Repair {
    /// There were no arguments, or `null`: they are `{}`.
    NoArguments,
    /// A code fence round the arguments, or space that JSON does not know, was left out.
    Surroundings,
    /// The arguments were the text of an object, as a JSON string.
    DoubleEncoding,
    /// A surplus closing brace after the arguments was left out.
    SurplusBrace,
    /// The same object was there several times: it is taken once.
    Repetition,
    /// Empty objects before the arguments were left out.
    Placeholder,
    /// Control characters inside strings were escaped.
    ControlCharacters,
    /// Backslashes that begin no escape of JSON were doubled.
    Escapes,
    /// The arguments were several different objects: this is the call with one of them.
    SplitObjects,
    /// The call was one of several inside another: `multi_tool_use.parallel`.
    Unpacked,
    /// The name had a prefix or suffix that is not part of the tool's name.
    Name {
        /// The name as the model wrote it.
        given: String,
    },
    /// The id was missing, or an earlier call of the message had it: the call got another.
    Id {
        /// The id as the server gave it; empty where it gave none.
        given: String,
    },
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoArguments => "missing arguments read as `{}`",
            Self::Surroundings => "code fence or space around the arguments left out",
            Self::DoubleEncoding => "arguments taken out of a JSON string",
            Self::SurplusBrace => "surplus brace behind the arguments left out",
            Self::Repetition => "repeated arguments taken once",
            Self::Placeholder => "empty object before the arguments left out",
            Self::ControlCharacters => "control characters inside strings escaped",
            Self::Escapes => "backslashes that escape nothing doubled",
            Self::SplitObjects => "one of several objects in the arguments of one call",
            Self::Unpacked => "unpacked from a call that wraps several",
            Self::Name { given } => return write!(f, "name `{given}` read as that of a tool"),
            Self::Id { given } if given.is_empty() => "missing id invented",
            Self::Id { given } => return write!(f, "repeated id `{given}` replaced"),
        })
    }
}

/// The parsed arguments of one call.
#[derive(Debug, PartialEq)]
pub(crate) struct Arguments {
    /// Texts of one object each. Several: the call represents as many. Where none could be made
    /// out, the text as it came.
    pub(crate) texts: Vec<String>,
    pub(crate) repairs: Vec<Repair>,
    /// Whether the texts are objects.
    pub(crate) objects: bool,
}

/// Reads the arguments of a call. Text that is an object is never changed, not by a byte; brackets
/// are never closed; what stays malformed stays as it is.
///
/// Of a message that was `cut` short, missing arguments stay missing: they may not have been
/// written yet. With `split`, several different objects are several calls; else they are malformed.
/// Where the tool `takes_none`, an empty list or string means that.
pub(crate) fn parse(text: String, cut: bool, split: bool, takes_none: bool) -> Arguments {
    if is_object(&text) {
        return Arguments {
            texts: vec![text],
            repairs: Vec::new(),
            objects: true,
        };
    }
    let says_none = match text.trim() {
        "" | "null" => true,
        "[]" | "\"\"" => takes_none,
        _ => false,
    };
    if says_none {
        return if cut {
            malformed(text)
        } else {
            parsed_as("{}", vec![Repair::NoArguments])
        };
    }
    let (bare, mut repairs) = without_surroundings(&text);
    if let Some(parsed) = objects(bare, &repairs, split) {
        return parsed;
    }
    if let Some(inner) = serde_json::from_str::<String>(bare)
        .ok()
        .filter(|text| is_object(text))
    {
        repairs.push(Repair::DoubleEncoding);
        return parsed_as(&inner, repairs);
    }
    if let Some(object) = bare.strip_suffix('}').filter(|text| is_object(text)) {
        repairs.push(Repair::SurplusBrace);
        return parsed_as(object.trim_end(), repairs);
    }
    let repaired = repair_strings(bare, &mut repairs);
    match repaired.and_then(|repaired| objects(&repaired, &repairs, split)) {
        Some(parsed) => parsed,
        None => malformed(text),
    }
}

/// Whether this is the text of one JSON object.
pub(crate) fn is_object(text: &str) -> bool {
    serde_json::from_str::<Map<String, Value>>(text).is_ok()
}

fn malformed(text: String) -> Arguments {
    Arguments {
        texts: vec![text],
        repairs: Vec::new(),
        objects: false,
    }
}

fn parsed_as(text: &str, repairs: Vec<Repair>) -> Arguments {
    Arguments {
        texts: vec![text.to_owned()],
        repairs,
        objects: true,
    }
}

/// Leaves out a code fence, and what is space to Unicode but not to JSON.
pub(crate) fn without_surroundings(text: &str) -> (&str, Vec<Repair>) {
    let space = |c: char| c.is_whitespace() || c == '\u{feff}';
    let mut bare = text.trim_matches(space);
    if let Some(fenced) = bare.strip_prefix("```") {
        bare = fenced.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    }
    bare = bare.strip_suffix("```").unwrap_or(bare).trim_matches(space);
    let changed = text.trim_matches([' ', '\t', '\n', '\r']) != bare;
    (
        bare,
        if changed {
            vec![Repair::Surroundings]
        } else {
            Vec::new()
        },
    )
}

/// The object, or the objects one after another, that make up the text.
fn objects(text: &str, repairs: &[Repair], split: bool) -> Option<Arguments> {
    let mut found: Vec<&str> = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let value = value.ok()?.get();
        found.push(Some(value).filter(|value| is_object(value))?);
    }
    let mut repairs = repairs.to_vec();
    if found.len() > 1 {
        let arguments = found.iter().position(|text| !is_empty(text)).unwrap_or(0);
        if found.drain(..arguments).len() > 0 {
            repairs.push(Repair::Placeholder);
        }
        let (first, others) = found.split_first()?;
        if !others.is_empty() && others.iter().all(|other| same(first, other)) {
            found.truncate(1);
            repairs.push(Repair::Repetition);
        }
    }
    match &*found {
        [] => None,
        [text] => Some(parsed_as(text, repairs)),
        several if split && several.len() <= MOST_OBJECTS => {
            repairs.push(Repair::SplitObjects);
            Some(Arguments {
                texts: several.iter().map(|&text| text.to_owned()).collect(),
                repairs,
                objects: true,
            })
        }
        _ => None,
    }
}

fn is_empty(object: &str) -> bool {
    tokens(object).eq(*b"{}")
}

/// Whether two texts differ in spacing only. Compares bytes: as values, different big numbers would
/// be equal.
fn same(left: &str, right: &str) -> bool {
    tokens(left).eq(tokens(right))
}

/// The bytes of JSON text without the space between them.
fn tokens(text: &str) -> impl Iterator<Item = u8> {
    let (mut in_string, mut escaped) = (false, false);
    text.bytes().filter(move |byte| {
        let keep = in_string || !byte.is_ascii_whitespace();
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ => {}
        }
        keep
    })
}

/// Escapes control characters inside strings, and doubles backslashes that begin no escape. `None`
/// if there are neither.
///
/// `\b`, `\n` and `\t` stay what JSON says they are: nothing distinguishes those of
/// `C:\new\tables` from intended ones.
fn repair_strings(text: &str, repairs: &mut Vec<Repair>) -> Option<String> {
    let mut repaired = String::with_capacity(text.len() + 16);
    let (mut controls, mut escapes, mut in_string) = (false, false, false);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => in_string = !in_string,
            '\\' if in_string => {
                let length = escape_length(rest.as_str());
                escapes |= length == 0;
                repaired.push('\\');
                repaired.push_str(if length == 0 {
                    "\\"
                } else {
                    &rest.as_str()[..length]
                });
                rest = rest.as_str()[length..].chars();
                continue;
            }
            '\0'..='\u{1f}' if in_string => {
                controls = true;
                repaired.push_str(&format!("\\u{:04x}", u32::from(c)));
                continue;
            }
            _ => {}
        }
        repaired.push(c);
    }
    repairs.extend(controls.then_some(Repair::ControlCharacters));
    repairs.extend(escapes.then_some(Repair::Escapes));
    (controls || escapes).then_some(repaired)
}

/// How many bytes behind a backslash belong to its escape; none, if it is not an escape.
fn escape_length(behind: &str) -> usize {
    match behind.as_bytes() {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 1,
        [b'u', digits @ ..]
            if digits.len() >= 4 && digits[..4].iter().all(u8::is_ascii_hexdigit) =>
        {
            5
        }
        _ => 0,
    }
}
