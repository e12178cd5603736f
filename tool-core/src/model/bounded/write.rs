//! A value's text, shortened while it is written.

use std::fmt::{Display, Write};
use std::io;

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::Error;
use serde_json::ser::Formatter;

use super::ends::Ends;
use super::shorten::{Form, shorten, shortened};
use crate::model::ToolOutput;

/// Writes a value as [`shorten`] would leave it: a string as it is, everything else as compact
/// JSON. Takes memory in proportion to `most`, however long the value.
///
/// # Errors
/// The value cannot be written as JSON.
pub(crate) fn write(value: &impl Serialize, most: usize) -> Result<(String, Form), Error> {
    let mut text = None;
    let mut json = serde_json::Serializer::with_formatter(Ends::new(most), Nesting::default());
    value.serialize(Outermost {
        json: &mut json,
        text: &mut text,
        most,
    })?;
    let json = json.into_inner();
    if let Some(text) = text {
        return Ok(text);
    }
    let is_string = json.starts_with(b'"');
    let json = json.into_text(Form::Json)?;
    if is_string {
        // Only a `RawValue` gets here: it has all of the text in memory as it is.
        let text: String = serde_json::from_str(&serde_json::to_string(value)?)?;
        return Ok((shorten(text, Form::Text, most), Form::Text));
    }
    Ok((json, Form::Json))
}

type Json = serde_json::Serializer<Ends, Nesting>;

/// How deep arrays and objects may be within each other: as deep as `serde_json` reads them. To
/// write more would use up the stack.
const MOST_DEPTH: usize = 128;

/// Compact JSON, nested so deep at most.
#[derive(Default)]
struct Nesting {
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

/// Takes a string aside before it is quoted and escaped, and the text of a [`ToolOutput`], and
/// leaves everything else to `serde_json`.
struct Outermost<'a> {
    json: &'a mut Json,
    /// What is shown in place of the JSON.
    text: &'a mut Option<(String, Form)>,
    most: usize,
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $ty:ty),*) -> $ok:ty;)*) => { $(
        #[inline]
        fn $method(self, $($argument: $ty),*) -> Result<$ok, Error> {
            self.json.$method($($argument),*)
        }
    )* };
}

impl<'a> Serializer for Outermost<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = <&'a mut Json as Serializer>::SerializeSeq;
    type SerializeTuple = <&'a mut Json as Serializer>::SerializeTuple;
    type SerializeTupleStruct = <&'a mut Json as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <&'a mut Json as Serializer>::SerializeTupleVariant;
    type SerializeMap = <&'a mut Json as Serializer>::SerializeMap;
    type SerializeStruct = <&'a mut Json as Serializer>::SerializeStruct;
    type SerializeStructVariant = <&'a mut Json as Serializer>::SerializeStructVariant;

    forward! {
        serialize_bool(value: bool) -> ();
        serialize_i8(value: i8) -> (); serialize_i16(value: i16) -> (); serialize_i32(value: i32) -> ();
        serialize_i64(value: i64) -> (); serialize_i128(value: i128) -> ();
        serialize_u8(value: u8) -> (); serialize_u16(value: u16) -> (); serialize_u32(value: u32) -> ();
        serialize_u64(value: u64) -> (); serialize_u128(value: u128) -> ();
        serialize_f32(value: f32) -> (); serialize_f64(value: f64) -> ();
        serialize_bytes(value: &[u8]) -> ();
        serialize_none() -> (); serialize_unit() -> (); serialize_unit_struct(name: &'static str) -> ();
        serialize_seq(length: Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(length: usize) -> Self::SerializeTuple;
        serialize_tuple_struct(name: &'static str, length: usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize) -> Self::SerializeTupleVariant;
        serialize_map(length: Option<usize>) -> Self::SerializeMap;
        serialize_struct(name: &'static str, length: usize) -> Self::SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize) -> Self::SerializeStructVariant;
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        let text = shortened(text, Form::Text, self.most).unwrap_or_else(|| text.to_owned());
        *self.text = Some((text, Form::Text));
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
        *self.text = Some((ends.into_text(Form::Text)?, Form::Text));
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
        if name != ToolOutput::SERIALIZED_AS {
            return value.serialize(self);
        }
        let stored = serde_json::to_value(value)?;
        let (text, form) = serde_json::from_value::<ToolOutput>(stored)?.into_parts();
        *self.text = Some((shorten(text, form, self.most), form));
        Ok(())
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.json
            .serialize_newtype_variant(name, index, variant, value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::shorten::LEAST;
    use super::super::shorten::tests::text;
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

    fn whole(value: &impl Serialize) -> (String, Form) {
        write(value, usize::MAX).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn writing_within_a_bound_is_writing_and_then_shortening(value in value(), most in 0..1500_usize) {
            let (text, form) = whole(&value);
            prop_assert_eq!(write(&value, most).unwrap(), (shorten(text, form, most), form));
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
        fn text_is_text_by_whatever_way_it_is_serialised(text in text(), most in 0..800_usize) {
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
            let expected = (shorten(text.clone(), Form::Text, most), Form::Text);
            prop_assert_eq!(&write(&Some(Newtype(&text)), most).unwrap(), &expected);
            prop_assert_eq!(&write(&Shown(&text), most).unwrap(), &expected);
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let raw = RawValue::from_string(format!("\"{escaped}\"")).unwrap();
            prop_assert_eq!(&write(&Newtype(raw), most).unwrap(), &expected);
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
