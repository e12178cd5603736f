//! A list on its way to the model: JSON, unless there is content in it.

use std::cell::RefCell;
use std::fmt::Display;

use serde::ser::{Serialize, SerializeSeq, SerializeTuple, Serializer};
use serde_json::{Error, Value, json};

use super::forward::forward;
use super::shorten::Form;
use super::write::{Json, RESULT, Written, write};

/// By this name a serializer knows content for the model, a block or a list of them, from other
/// values.
pub(crate) const CONTENT: &str = "$tool_core::Content";

/// Elements are written as JSON up to the first that is content. From there on each is a block, or
/// several.
pub(super) struct List<'a> {
    json: <&'a mut Json as Serializer>::SerializeSeq,
    aside: &'a mut Option<Written>,
    most: usize,
    /// As they are stored, from the first on.
    blocks: Option<Vec<Value>>,
}

impl<'a> List<'a> {
    #[inline]
    pub(super) fn new(
        json: <&'a mut Json as Serializer>::SerializeSeq,
        aside: &'a mut Option<Written>,
        most: usize,
    ) -> Self {
        Self {
            json,
            aside,
            most,
            blocks: None,
        }
    }
}

impl SerializeSeq for List<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        let Some(blocks) = &mut self.blocks else {
            let found = RefCell::new(None);
            let element = Element {
                value,
                found: &found,
            };
            SerializeSeq::serialize_element(&mut self.json, &element)?;
            if let Some(Written::Content(stored)) = found.into_inner() {
                self.blocks = Some(blocks_of(stored));
            }
            return Ok(());
        };
        match write(value, self.most)? {
            Written::Content(stored) => blocks.extend(blocks_of(stored)),
            Written::Text { text, form, .. } if form == Form::Json && text == "null" => {}
            Written::Text {
                text, truncated, ..
            } => blocks.push(text_block(text, truncated)),
            // In a list it is a value like others.
            Written::Failure(_) => {
                blocks.push(text_block(serde_json::to_string(value)?, false));
            }
        }
        Ok(())
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        if let Some(blocks) = self.blocks {
            *self.aside = Some(Written::Content(blocks.into()));
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

fn blocks_of(stored: Value) -> Vec<Value> {
    match stored {
        Value::Array(blocks) => blocks,
        block => vec![block],
    }
}

fn text_block(text: String, truncated: bool) -> Value {
    match truncated {
        true => json!({"type": "text", "text": text, "truncated": true}),
        false => json!({"type": "text", "text": text}),
    }
}

/// Blocks for what is in a list before its first content. `json` is the list so far, with `null`
/// for that content, whole or cut.
pub(super) fn blocks_before(json: String, is_cut: bool) -> Vec<Value> {
    match serde_json::from_str::<Vec<Value>>(&json) {
        Ok(mut elements) if !is_cut => {
            elements.pop();
            elements.retain(|element| !element.is_null());
            let text = |element| match element {
                Value::String(text) => text,
                element => element.to_string(),
            };
            let texts = elements.into_iter().map(text);
            texts.map(|text| text_block(text, false)).collect()
        }
        _ => vec![text_block(json, is_cut)],
    }
}

/// One element, which may turn out to be content.
struct Element<'a, T: ?Sized> {
    value: &'a T,
    found: &'a RefCell<Option<Written>>,
}

impl<T: ?Sized + Serialize> Serialize for Element<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Divert {
            inner,
            found: self.found,
            failures: None,
        })
    }
}

/// Extracts content, in the form in which it is stored, and writes `null` in its place. Leaves
/// everything else to another serializer.
pub(super) struct Divert<'a, S> {
    pub(super) inner: S,
    pub(super) found: &'a RefCell<Option<Written>>,
    /// How long the text of a failure may be, if one is taken aside, too.
    pub(super) failures: Option<usize>,
}

impl<S: Serializer> Serializer for Divert<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = S::SerializeSeq;
    type SerializeTuple = S::SerializeTuple;
    type SerializeTupleStruct = S::SerializeTupleStruct;
    type SerializeTupleVariant = S::SerializeTupleVariant;
    type SerializeMap = S::SerializeMap;
    type SerializeStruct = S::SerializeStruct;
    type SerializeStructVariant = S::SerializeStructVariant;

    forward! { inner -> S::Ok, S::Error;
        serialize_char(value: char) -> S::Ok; serialize_str(value: &str) -> S::Ok;
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> S::Ok;
        serialize_seq(length: Option<usize>) -> S::SerializeSeq;
        serialize_tuple(length: usize) -> S::SerializeTuple;
    }

    #[inline]
    fn collect_str<T: ?Sized + Display>(self, text: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(text)
    }

    #[inline]
    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<S::Ok, S::Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        if name == CONTENT {
            let stored = serde_json::to_value(value).map_err(serde::ser::Error::custom)?;
            *self.found.borrow_mut() = Some(Written::Content(stored));
            return self.inner.serialize_unit();
        }
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        if let (RESULT, Some(most)) = ((name, variant), self.failures) {
            let failure = Written::failure(value, most).map_err(serde::ser::Error::custom)?;
            *self.found.borrow_mut() = Some(failure);
            return self.inner.serialize_unit();
        }
        self.inner
            .serialize_newtype_variant(name, index, variant, value)
    }
}
