//! A value's text, shortened while it is written.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::{Display, Write};
use std::io;

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::ser::Formatter;
use serde_json::{Error, Value};

use super::ends::Ends;
use super::forward::forward;
use super::list::{CONTENT, Divert, List, blocks_before};
use super::shorten::{Form, shortened};

/// The form of a written value.
#[derive(Debug)]
pub(crate) enum Written {
    /// Its text, shortened or not.
    Text {
        text: String,
        form: Form,
        truncated: bool,
    },
    /// It is content for the model, as it is stored: a block, or a list of them. Not shortened.
    Content(Value),
    /// It is the `Err` of a `Result`: its text, shortened or not.
    Failure(String),
}

/// How serde names a `Result`, and its failure.
pub(super) const RESULT: (&str, &str) = ("Result", "Err");

impl Written {
    fn text(text: Cow<'_, str>, most: usize) -> Self {
        let short = shortened(&text, Form::Text, most);
        Self::Text {
            truncated: short.is_some(),
            text: short.unwrap_or_else(|| text.into_owned()),
            form: Form::Text,
        }
    }

    /// The text of a failure: whatever it is, the model reads no more than a text.
    pub(super) fn failure<T: ?Sized + Serialize>(error: &T, most: usize) -> Result<Self, Error> {
        Ok(Self::Failure(match write(error, most)? {
            Self::Text { text, .. } | Self::Failure(text) => text,
            Self::Content(stored) => stored.to_string(),
        }))
    }

    fn ends(ends: Ends, form: Form) -> Result<Self, Error> {
        Ok(Self::Text {
            truncated: ends.is_cut(),
            text: ends.into_text(form)?,
            form,
        })
    }
}

/// Writes a value: a string as it is, [`Content`](crate::Content) as its blocks, of a `Result` what
/// is in it, everything else as compact JSON. Text is as [`shorten`](super::shorten) would leave it, and takes memory in
/// proportion to `most`, however long the value.
///
/// # Errors
/// The value cannot be written as JSON.
pub(crate) fn write<T: ?Sized + Serialize>(value: &T, most: usize) -> Result<Written, Error> {
    let mut aside = None;
    let mut json = serde_json::Serializer::with_formatter(Ends::new(most), Nesting::default());
    value.serialize(Outermost {
        json: &mut json,
        aside: &mut aside,
        most,
    })?;
    let json = json.into_inner();
    match aside {
        None => {}
        // Without a list around it, nothing is written.
        Some(Written::Content(Value::Array(after))) if json.starts_with(b'[') => {
            let is_cut = json.is_cut();
            let mut blocks = blocks_before(json.into_text(Form::Json)?, is_cut);
            blocks.extend(after);
            return Ok(Written::Content(blocks.into()));
        }
        Some(written) => return Ok(written),
    }
    if json.starts_with(b'"') {
        // Only a `RawValue` gets here: it has all of the text in memory as it is.
        let text: String = serde_json::from_str(&serde_json::to_string(value)?)?;
        return Ok(Written::text(text.into(), most));
    }
    Written::ends(json, Form::Json)
}

/// Writes a value as compact JSON whatever it is, a string in its quotes, but content and failures
/// as such; otherwise as [`write`].
///
/// # Errors
/// The value cannot be written as JSON.
pub(crate) fn write_json(value: &impl Serialize, most: usize) -> Result<Written, Error> {
    let mut json = serde_json::Serializer::with_formatter(Ends::new(most), Nesting::default());
    let found = RefCell::new(None);
    value.serialize(Divert {
        inner: &mut json,
        found: &found,
        failures: Some(most),
    })?;
    match found.into_inner() {
        Some(written) => Ok(written),
        None => Written::ends(json.into_inner(), Form::Json),
    }
}

pub(super) type Json = serde_json::Serializer<Ends, Nesting>;

/// How deep arrays and objects may be within each other: as deep as `serde_json` reads them. To
/// write more would use up the stack.
const MOST_DEPTH: usize = 128;

/// Compact JSON, nested so deep at most.
#[derive(Default)]
pub(super) struct Nesting {
    depth: usize,
}

impl Nesting {
    fn enter(&mut self) -> io::Result<()> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            let text = format!("it is nested more than {MOST_DEPTH} deep");
            return Err(io::Error::other(text));
        }
        Ok(())
    }
}

impl Formatter for Nesting {
    #[inline]
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        writer.write_all(b"[")
    }

    #[inline]
    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"]")
    }

    #[inline]
    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        writer.write_all(b"{")
    }

    #[inline]
    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"}")
    }
}

/// Extracts a string before it is quoted and escaped, and content for the model, and leaves
/// everything else to `serde_json`.
struct Outermost<'a> {
    json: &'a mut Json,
    /// What is shown in place of the JSON.
    aside: &'a mut Option<Written>,
    most: usize,
}

impl<'a> Serializer for Outermost<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = <&'a mut Json as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <&'a mut Json as Serializer>::SerializeTupleVariant;
    type SerializeMap = <&'a mut Json as Serializer>::SerializeMap;
    type SerializeStruct = <&'a mut Json as Serializer>::SerializeStruct;
    type SerializeStructVariant = <&'a mut Json as Serializer>::SerializeStructVariant;

    forward! { json -> (), Error; }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<List<'a>, Error> {
        let json = self.json.serialize_seq(length)?;
        Ok(List::new(json, self.aside, self.most))
    }

    #[inline]
    fn serialize_tuple(self, length: usize) -> Result<List<'a>, Error> {
        self.serialize_seq(Some(length))
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        *self.aside = Some(Written::text(text.into(), self.most));
        Ok(())
    }

    fn serialize_char(self, c: char) -> Result<(), Error> {
        self.serialize_str(c.encode_utf8(&mut [0; 4]))
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn collect_str<T: ?Sized + Display>(self, text: &T) -> Result<(), Error> {
        let mut ends = Ends::new(self.most);
        write!(ends, "{text}").map_err(Error::custom)?;
        *self.aside = Some(Written::ends(ends, Form::Text)?);
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        if name != CONTENT {
            return value.serialize(self);
        }
        *self.aside = Some(Written::Content(serde_json::to_value(value)?));
        Ok(())
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        match (name, variant) {
            RESULT => {
                *self.aside = Some(Written::failure(value, self.most)?);
                Ok(())
            }
            ("Result", "Ok") => value.serialize(self),
            _ => self
                .json
                .serialize_newtype_variant(name, index, variant, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shorten::tests::text;
    use super::super::shorten::{LEAST, shorten};
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::value::RawValue;
    use std::fmt;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text().prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 12, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..6).prop_map(Value::from),
                btree_map(text(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect()))
            ]
        })
    }

    /// Text, its form, and whether it is cut.
    fn within(value: &impl Serialize, most: usize) -> (String, Form, bool) {
        match write(value, most).unwrap() {
            Written::Text {
                text,
                form,
                truncated,
            } => (text, form, truncated),
            written => panic!("{written:?} is not text"),
        }
    }

    fn whole(value: &impl Serialize) -> (String, Form) {
        let (text, form, truncated) = within(value, usize::MAX);
        assert!(!truncated);
        (text, form)
    }

    fn cut(text: String, form: Form, most: usize) -> (String, Form, bool) {
        let short = shorten(text.clone(), form, most);
        let truncated = short != text;
        (short, form, truncated)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn writing_within_a_bound_is_writing_and_then_shortening(value in value(), most in 0..1500_usize) {
            let (text, form) = whole(&value);
            let json = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(within(&value, most), cut(text, form, most));
            match write_json(&value, most).unwrap() {
                Written::Text { text, form, truncated } =>
                    prop_assert_eq!((text, form, truncated), cut(json, Form::Json, most)),
                written => prop_assert!(false, "{written:?} is not text"),
            }
        }

        #[test]
        fn a_string_is_its_text_and_the_rest_is_what_serde_json_writes(value in value()) {
            let expected = match &value {
                Value::String(text) => (text.clone(), Form::Text),
                value => (serde_json::to_string(value).unwrap(), Form::Json),
            };
            prop_assert_eq!(whole(&value), expected);
        }

        #[test]
        fn text_is_text_however_it_is_serialised(text in text(), most in 0..800_usize) {
            #[derive(serde::Serialize)]
            struct Newtype<T>(T);
            struct Shown<'a>(&'a str);
            impl fmt::Display for Shown<'_> {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.0.chars().try_for_each(|c| write!(f, "{c}"))
                }
            }
            impl Serialize for Shown<'_> {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }
            let expected = cut(text.clone(), Form::Text, most);
            prop_assert_eq!(&within(&Some(Newtype(&text)), most), &expected);
            prop_assert_eq!(&within(&Shown(&text), most), &expected);
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let raw = RawValue::from_string(format!("\"{escaped}\"")).unwrap();
            prop_assert_eq!(&within(&Newtype(raw), most), &expected);
        }
    }

    #[test]
    fn strings_inside_of_other_values_keep_their_quotes() {
        #[derive(serde::Serialize)]
        enum Shape {
            Unit,
            Newtype(&'static str),
        }
        assert_eq!(whole(&Shape::Unit), ("Unit".to_owned(), Form::Text));
        assert_eq!(
            whole(&Shape::Newtype("a\n")),
            (r#"{"Newtype":"a\n"}"#.to_owned(), Form::Json)
        );
        assert_eq!(
            whole(&RawValue::from_string("[ \"a\"]".to_owned()).unwrap()),
            ("[ \"a\"]".to_owned(), Form::Json)
        );
        let nested = [RawValue::from_string(r#""\u0061""#.to_owned()).unwrap()];
        assert_eq!(whole(&nested), (r#"["\u0061"]"#.to_owned(), Form::Json));
        assert_eq!(whole(&()), ("null".to_owned(), Form::Json));
    }

    #[test]
    fn half_a_character_in_raw_json_is_an_error() {
        let raw = RawValue::from_string(r#""\ud800""#.to_owned()).unwrap();
        assert!(write(&raw, LEAST).is_err());
    }

    #[test]
    fn a_plain_string_is_copied_once() {
        let text = "long ".repeat(1000);
        let (written, _) = whole(&text);
        assert_eq!(
            (written.len(), written.capacity()),
            (text.len(), text.len())
        );
    }
}
