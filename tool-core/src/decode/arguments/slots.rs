//! Any arguments object, cut into slots by `serde_json`.

use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{ArgumentError, Arguments};
use crate::decode::param::Describe;
use crate::model::{clip, nearest};

/// Cuts an object into the slots of its parameters; mistakes are noted beside them.
pub(super) struct IntoSlots<'s, 'a>(pub(super) &'s mut Arguments<'a>);

impl<'a> Visitor<'a> for IntoSlots<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let params = self.0.params;
        while let Some(key) = map.next_key_seed(KeyOf(params))? {
            match key {
                PropertyName::Unknown(name) => {
                    map.next_value::<IgnoredAny>()?;
                    self.0.errors.push(unknown(&name, params));
                }
                PropertyName::Known(position) => {
                    let value = map.next_value::<&RawValue>()?;
                    let slot = &mut self.0.slots[position];
                    if slot.replace(value.get()).is_some() {
                        self.0.errors.push(ArgumentError::new(
                            params[position].name(),
                            "given twice; give it once",
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

enum PropertyName {
    Known(usize),
    Unknown(String),
}

struct KeyOf<'s>(&'s [&'s (dyn Describe + Sync)]);

impl<'a> DeserializeSeed<'a> for KeyOf<'_> {
    type Value = PropertyName;

    fn deserialize<D: serde::Deserializer<'a>>(
        self,
        deserializer: D,
    ) -> Result<PropertyName, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for KeyOf<'_> {
    type Value = PropertyName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an argument")
    }

    fn visit_str<E>(self, name: &str) -> Result<PropertyName, E> {
        let known = self.0.iter().position(|param| param.answers_to(name));
        Ok(known.map_or_else(|| PropertyName::Unknown(clip(name)), PropertyName::Known))
    }
}

fn unknown(name: &str, params: &[&(dyn Describe + Sync)]) -> ArgumentError {
    let names = params.iter().map(|param| param.name());
    let fix = match nearest(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if params.is_empty() => "the tool takes none".to_owned(),
        None => format!(
            "the tool takes {}",
            names
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    ArgumentError::new(name, format!("unknown argument ({fix})"))
}
