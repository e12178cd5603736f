//! A list on its way to the model: JSON, unless it is one of content.

use std::fmt::{self, Display};

use serde::ser::{Impossible, Serialize, SerializeSeq, SerializeTuple, Serializer};
use serde_json::{Error, Value};

use super::write::{Json, Written};

/// By this name a serializer knows content for the model, a block or a list of them, from other
/// values.
pub(crate) const CONTENT: &str = "$tool_core::Content";

/// What a list's first element decides.
pub(super) struct List<'a> {
    json: <&'a mut Json as Serializer>::SerializeSeq,
    aside: &'a mut Option<Written>,
    elements: Elements,
}

enum Elements {
    Unknown,
    Json,
    /// Blocks, as they are stored.
    Content(Vec<Value>),
}

impl<'a> List<'a> {
    #[inline]
    pub(super) fn new(
        json: <&'a mut Json as Serializer>::SerializeSeq,
        aside: &'a mut Option<Written>,
    ) -> Self {
        Self {
            json,
            aside,
            elements: Elements::Unknown,
        }
    }
}

impl SerializeSeq for List<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        if matches!(self.elements, Elements::Unknown) {
            self.elements = match value.serialize(IsContent) {
                Ok(()) => Elements::Content(Vec::new()),
                Err(NotContent) => Elements::Json,
            };
        }
        let Elements::Content(blocks) = &mut self.elements else {
            return SerializeSeq::serialize_element(&mut self.json, value);
        };
        match serde_json::to_value(value)? {
            Value::Array(of_one_output) => blocks.extend(of_one_output),
            block => blocks.push(block),
        }
        Ok(())
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        if let Elements::Content(blocks) = self.elements {
            *self.aside = Some(Written::Content(blocks.into()));
            return Ok(());
        }
        SerializeSeq::end(self.json)
    }
}

impl SerializeTuple for List<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        SerializeSeq::serialize_element(self, value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        SerializeSeq::end(self)
    }
}

/// Tells content from every other value, by the name that it is serialised under.
struct IsContent;

/// It is something else.
#[derive(Debug)]
struct NotContent;

impl Display for NotContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not content")
    }
}

impl std::error::Error for NotContent {}

impl serde::ser::Error for NotContent {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

macro_rules! refuse {
    ($($method:ident($($ty:ty),*) -> $ok:ty;)*) => { $(
        #[inline]
        fn $method(self, $(_: $ty),*) -> Result<$ok, NotContent> {
            Err(NotContent)
        }
    )* };
}

impl Serializer for IsContent {
    type Ok = ();
    type Error = NotContent;
    type SerializeSeq = Impossible<(), NotContent>;
    type SerializeTuple = Impossible<(), NotContent>;
    type SerializeTupleStruct = Impossible<(), NotContent>;
    type SerializeTupleVariant = Impossible<(), NotContent>;
    type SerializeMap = Impossible<(), NotContent>;
    type SerializeStruct = Impossible<(), NotContent>;
    type SerializeStructVariant = Impossible<(), NotContent>;

    refuse! {
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> (); serialize_i16(i16) -> (); serialize_i32(i32) -> ();
        serialize_i64(i64) -> (); serialize_i128(i128) -> ();
        serialize_u8(u8) -> (); serialize_u16(u16) -> (); serialize_u32(u32) -> ();
        serialize_u64(u64) -> (); serialize_u128(u128) -> ();
        serialize_f32(f32) -> (); serialize_f64(f64) -> ();
        serialize_char(char) -> (); serialize_str(&str) -> (); serialize_bytes(&[u8]) -> ();
        serialize_none() -> (); serialize_unit() -> (); serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), NotContent> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), NotContent> {
        if name == CONTENT {
            return Ok(());
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), NotContent> {
        Err(NotContent)
    }
}
