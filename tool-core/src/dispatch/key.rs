//! What `serialize_by` compares: the values of some of a call's arguments,
//! independent of their spelling.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::decode::Describe;
use crate::decode::{Decimal, respell};

/// The values of some properties. Equal to another exactly if the same properties have the same
/// values.
///
/// White space, escapes, the order of properties and the spelling of numbers make no difference:
/// `5`, `5.0` and `5e0` are one number. Integers of 64 bits are compared exactly, other numbers as
/// floats.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(Arc<str>);

impl Key {
    /// The key of one call. A property that is missing or `null` has the default that `schema`
    /// shows, or else is `null`; one that is given twice has its last value. `params` knows other
    /// names of properties; it may be empty.
    ///
    /// `None` if the arguments are not a JSON object, or one of the values cannot be read: it nests
    /// too deep, for example.
    pub(crate) fn of(
        arguments: &str,
        names: &[String],
        schema: &Value,
        params: &[&(dyn Describe + Sync)],
    ) -> Option<Self> {
        let given: BTreeMap<String, &RawValue> = serde_json::from_str(arguments).ok()?;
        let meant = |property| {
            params
                .iter()
                .find(|param| param.answers_to(property))
                .map_or(property, |param| param.name())
        };
        let value = |name: &str| {
            // If two have the same meaning, either is used: the tool refuses both.
            match given
                .iter()
                .find(|(property, value)| meant(property) == name && value.get() != "null")
            {
                Some((_, value)) => settled(value.get()),
                None => settled(&schema["properties"][name]["default"].to_string()),
            }
        };
        let values: Option<BTreeMap<_, _>> = names
            .iter()
            .map(|name| Some((name, value(name)?)))
            .collect();
        Some(Self(serde_json::to_string(&values?).ok()?.into()))
    }
}

/// The canonical form of a value.
fn settled(json: &str) -> Option<Value> {
    let respelled = respell(json, |number| Some(Decimal::read(number).to_string()));
    let mut value: Value = serde_json::from_str(respelled.as_deref().unwrap_or(json)).ok()?;
    value.sort_all_objects();
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Param;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use serde_json::json;

    fn key(arguments: &str, names: &[&str]) -> Option<Key> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let schema = json!({"properties": {"region": {"default": "north"}, "size": {"default": 5.0}, "id": {}}});
        Key::of(arguments, &names, &schema, &[])
    }

    /// A value that is written in many ways.
    #[derive(Clone, Debug, PartialEq)]
    enum Meant {
        Null,
        Bool(bool),
        /// Digits and a power of ten.
        Number(i128, i8),
        Text(String),
        List(Vec<Meant>),
        Object(BTreeMap<String, Meant>),
    }

    fn text() -> impl Strategy<Value = String> {
        vec(
            prop_oneof![any::<char>(), prop::char::range('\0', '~')],
            0..5,
        )
        .prop_map(|chars| chars.into_iter().collect())
    }

    fn meant() -> impl Strategy<Value = Meant> {
        let leaf = prop_oneof![
            Just(Meant::Null),
            any::<bool>().prop_map(Meant::Bool),
            (any::<i64>(), -9..9_i8)
                .prop_map(|(digits, exponent)| Meant::Number(digits.into(), exponent)),
            (any::<u64>(), Just(0))
                .prop_map(|(digits, exponent)| Meant::Number(digits.into(), exponent)),
            (-3..3_i128, 0..2_i8).prop_map(|(digits, exponent)| Meant::Number(digits, exponent)),
            text().prop_map(Meant::Text),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Meant::List),
                btree_map(text(), inner, 0..4).prop_map(Meant::Object)
            ]
        })
    }

    const PLAIN: &[u8] = &[0];

    /// Draws one of the ways to write a value.
    struct Pen<'a>(std::iter::Cycle<std::slice::Iter<'a, u8>>);

    impl Pen<'_> {
        fn choose(&mut self, ways: usize) -> usize {
            usize::from(*self.0.next().unwrap()) % ways
        }

        fn space(&mut self) -> &'static str {
            ["", " ", "\n\t"][self.choose(3)]
        }

        fn text(&mut self, text: &str) -> String {
            let written = text.chars().map(|c| match self.choose(2) {
                0 => c
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .map(|unit| format!("\\u{unit:04X}"))
                    .collect(),
                _ => {
                    let quoted = serde_json::to_string(&c).unwrap();
                    quoted[1..quoted.len() - 1].to_owned()
                }
            });
            format!("\"{}\"", written.collect::<String>())
        }

        fn number(&mut self, digits: i128, exponent: i8) -> String {
            let sign = if digits < 0 { "-" } else { "" };
            let digits = digits.unsigned_abs().to_string();
            let (first, rest) = digits.split_at(1);
            let ways = if digits == "0" { 2 } else { 5 };
            match (self.choose(ways), exponent) {
                (0, _) => format!("{sign}{digits}e{exponent}"),
                (1, _) => format!(
                    "{sign}{first}.{rest}0E{:+}",
                    i32::from(exponent) + rest.len() as i32
                ),
                (2, 0..) => format!(
                    "{sign}{digits}{}",
                    "0".repeat(exponent.unsigned_abs().into())
                ),
                (3, 0..) => format!(
                    "{sign}{digits}{}.00",
                    "0".repeat(exponent.unsigned_abs().into())
                ),
                _ => format!("{sign}{digits}00e{}", i32::from(exponent) - 2),
            }
        }

        fn properties<'v>(&mut self, map: impl Iterator<Item = (&'v String, &'v Meant)>) -> String {
            let mut written: Vec<_> = map
                .map(|(name, value)| {
                    format!("{}{}:{}", self.text(name), self.space(), self.value(value))
                })
                .collect();
            if !written.is_empty() {
                let by = self.choose(written.len());
                written.rotate_left(by);
            }
            format!("{{{}}}", written.join(","))
        }

        fn value(&mut self, value: &Meant) -> String {
            let written = match value {
                Meant::Null => "null".to_owned(),
                Meant::Bool(value) => value.to_string(),
                Meant::Number(digits, exponent) => self.number(*digits, *exponent),
                Meant::Text(text) => self.text(text),
                Meant::List(items) => format!(
                    "[{}]",
                    items
                        .iter()
                        .map(|item| self.value(item))
                        .collect::<Vec<_>>()
                        .join(",")
                ),
                Meant::Object(map) => self.properties(map.iter()),
            };
            format!("{}{written}{}", self.space(), self.space())
        }
    }

    /// The same for values that are the same, numbers with other digits and exponents among them.
    fn same(value: &Meant) -> Meant {
        match value {
            Meant::Number(0, _) => Meant::Number(0, 0),
            Meant::Number(digits, exponent) if digits % 10 == 0 => {
                same(&Meant::Number(digits / 10, exponent + 1))
            }
            Meant::List(items) => Meant::List(items.iter().map(same).collect()),
            Meant::Object(map) => Meant::Object(
                map.iter()
                    .map(|(name, value)| (name.clone(), same(value)))
                    .collect(),
            ),
            value => value.clone(),
        }
    }

    proptest! {
        #[test]
        fn spelling_makes_no_difference(map in btree_map(text(), meant(), 1..5), choices in vec(any::<u8>(), 1..60)) {
            let names: Vec<_> = map.keys().cloned().collect();
            let reversed: Vec<_> = map.keys().rev().chain(map.keys()).cloned().collect();
            let plain = Pen(PLAIN.iter().cycle()).properties(map.iter());
            let other = Pen(choices.iter().cycle()).properties(map.iter());
            let expected = Key::of(&plain, &names, &Value::Null, &[]);
            prop_assert!(expected.is_some(), "{}", plain);
            prop_assert_eq!(Key::of(&other, &reversed, &Value::Null, &[]), expected, "{} {}", plain, other);
        }

        #[test]
        fn another_value_is_another_key(one in meant(), other in meant(), equal in any::<bool>()) {
            let other = if equal { one.clone() } else { other };
            let [first, second] = [&one, &other].map(|value| key(&format!("{{\"id\":{}}}", Pen(PLAIN.iter().cycle()).value(value)), &["id"]));
            prop_assert!(first.is_some() && second.is_some());
            prop_assert_eq!(first == second, same(&one) == same(&other));
        }

        #[test]
        fn numbers_next_to_each_other_differ(number in any::<i64>(), other in any::<u64>()) {
            let id = |number: i128| key(&format!("{{\"id\":{number}}}"), &["id"]);
            prop_assert_ne!(id(number.into()), id(i128::from(number) + 1));
            prop_assert_ne!(id(other.into()), id(i128::from(other) + 1));
        }
    }

    #[test]
    fn what_is_left_out_or_null_has_its_default() {
        let names = ["region", "size", "id"];
        let expected = key(r#"{"region":"north","size":5,"id":null}"#, &names);
        assert!(expected.is_some());
        for same in [
            "{}",
            r#"{"region":null}"#,
            r#"{"size":5.0,"other":1}"#,
            r#"{"id":null,"size":null}"#,
        ] {
            assert_eq!(key(same, &names), expected, "{same}");
        }
        for another in [
            r#"{"region":""}"#,
            r#"{"size":0}"#,
            r#"{"id":"null"}"#,
            r#"{"id":false}"#,
        ] {
            assert_ne!(key(another, &names), expected, "{another}");
        }
    }

    #[test]
    fn the_names_are_part_of_it() {
        assert_ne!(key(r#"{"a":1}"#, &["a"]), key(r#"{"b":1}"#, &["b"]));
        assert_ne!(key("{}", &[]), key("{}", &["id"]));
        assert_eq!(
            key(r#"{"a":1,"b":2}"#, &["a"]),
            key(r#"{"a":1,"b":3}"#, &["a"])
        );
    }

    #[test]
    fn the_last_of_a_repeated_property_counts() {
        assert_eq!(
            key(r#"{"id":{"a":1,"a":2},"id":{"a":3,"\u0061":4}}"#, &["id"]),
            key(r#"{"id":{"a":4}}"#, &["id"])
        );
        assert_eq!(
            key(r#"{"size":7,"size":null}"#, &["size"]),
            key("{}", &["size"])
        );
    }

    #[test]
    fn a_property_goes_by_its_other_names_too() {
        static PATIENT: Param<String> = Param::new("patient", "").or_called(&["patient_id"]);
        let key = |arguments: &str| {
            Key::of(
                arguments,
                &["patient".to_owned()],
                &Value::Null,
                &[&PATIENT],
            )
        };
        assert_eq!(key(r#"{"patient_id":"P-1"}"#), key(r#"{"patient":"P-1"}"#));
        assert_ne!(key(r#"{"patient_id":"P-1"}"#), key(r#"{"id":"P-1"}"#));
    }

    #[test]
    fn only_an_object_within_the_depth_limit_has_a_key() {
        for text in [
            "",
            "null",
            "[]",
            "{",
            "{} {}",
            "\"{}\"",
            r#"{"id":1,}"#,
            r#"{"id":"\ud800"}"#,
        ] {
            assert_eq!(key(text, &["id"]), None, "{text}");
        }
        let nested =
            |depth: usize| format!("{{\"id\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(key(&nested(127), &["id"]).is_some());
        assert_eq!(key(&nested(128), &["id"]), None);
        assert_eq!(key(&nested(1_000_000), &["id"]), None);
    }
}
