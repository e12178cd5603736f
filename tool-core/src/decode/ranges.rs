//! What part of its type a parameter admits: numbers within a range, text and lists of a length.
//! Used by generated code.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::{Bound, RangeBounds};

use schemars::Schema;
use serde::Serialize;
use serde_json::Value;

use super::param::shown;

/// A range that can limit a `T`. Implemented for ranges of numbers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot limit a parameter of type `{T}`",
    label = "does not limit `{T}`",
    note = "`range` limits integers and floats, by numbers of their own type"
)]
pub trait NumberRange<T> {
    /// Both ends.
    fn ends(&self) -> [Bound<Value>; 2];

    /// The value, if it lies outside.
    fn excluded(&self, value: &T) -> Option<Value>;
}

#[diagnostic::do_not_recommend]
impl<T: Number, R: RangeBounds<T>> NumberRange<T> for R {
    fn ends(&self) -> [Bound<Value>; 2] {
        [self.start_bound(), self.end_bound()].map(|bound| match bound.map(shown) {
            // JSON has no infinity.
            Bound::Included(Value::Null) | Bound::Excluded(Value::Null) => Bound::Unbounded,
            bound => bound,
        })
    }

    fn excluded(&self, value: &T) -> Option<Value> {
        (!self.contains(value)).then(|| shown(value))
    }
}

/// A type that `range` applies to.
pub trait Number: PartialOrd + Serialize {}

macro_rules! numbers {
    ($($number:ty)*) => { $(impl Number for $number {})* };
}
numbers!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize f32 f64);

/// Refuses a value outside its range, and says what the range is. An absent value is in every
/// range.
///
/// # Errors
/// What the model reads.
pub fn check_range<T>(value: Option<&T>, range: impl NumberRange<T>) -> Result<(), String> {
    let Some(value) = value.and_then(|value| range.excluded(value)) else {
        return Ok(());
    };
    let value = if value.is_null() {
        "none that its type can hold".to_owned()
    } else {
        value.to_string()
    };
    match worded(&range.ends()).as_str() {
        // One end is NaN, and nothing is outside of it.
        "" => Err(format!("no value is taken, but it is {value}")),
        limits => Err(format!("must be {limits}, but is {value}")),
    }
}

fn worded([start, end]: &[Bound<Value>; 2]) -> String {
    let limits = [
        limit(start, "at least", "more than"),
        limit(end, "at most", "less than"),
    ];
    limits
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" and ")
}

fn limit(bound: &Bound<Value>, inclusive: &str, exclusive: &str) -> Option<String> {
    match bound {
        Bound::Included(limit) => Some(format!("{inclusive} {limit}")),
        Bound::Excluded(limit) => Some(format!("{exclusive} {limit}")),
        Bound::Unbounded => None,
    }
}

/// Writes a range into a property's schema.
pub fn narrow_range<T>(schema: &mut Schema, range: impl NumberRange<T>) {
    let [start, end] = range.ends();
    for (bound, inclusive, exclusive) in [
        (start, "minimum", "exclusiveMinimum"),
        (end, "maximum", "exclusiveMaximum"),
    ] {
        let (key, limit) = match bound {
            Bound::Included(limit) => (inclusive, limit),
            Bound::Excluded(limit) => (exclusive, limit),
            Bound::Unbounded => continue,
        };
        schema.remove(inclusive);
        schema.insert(key.to_owned(), limit);
    }
}

/// A type that `length` applies to.
#[diagnostic::on_unimplemented(
    message = "`length` cannot limit a parameter of type `{Self}`",
    label = "has no length",
    note = "`length` limits text, lists and maps"
)]
pub trait Length {
    /// What is counted, and the keywords of JSON Schema that limit it.
    const COUNTED: Counted;

    /// How many there are.
    fn length(&self) -> usize;
}

/// What a length counts.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    one: &'static str,
    many: &'static str,
    least: &'static str,
    most: &'static str,
}

const CHARACTERS: Counted = Counted {
    one: "character",
    many: "characters",
    least: "minLength",
    most: "maxLength",
};
const ITEMS: Counted = Counted {
    one: "item",
    many: "items",
    least: "minItems",
    most: "maxItems",
};
const PROPERTIES: Counted = Counted {
    one: "property",
    many: "properties",
    least: "minProperties",
    most: "maxProperties",
};

macro_rules! lengths {
    ($($ty:ty [$($parameter:ident)*]: $counted:ident of $value:ident = $length:expr;)*) => { $(
        impl<$($parameter),*> Length for $ty {
            const COUNTED: Counted = $counted;

            fn length(&self) -> usize {
                let $value = self;
                $length
            }
        }
    )* };
}
lengths! {
    String []: CHARACTERS of text = text.chars().count();
    Box<str> []: CHARACTERS of text = text.chars().count();
    Cow<'_, str> []: CHARACTERS of text = text.chars().count();
    Vec<T> [T]: ITEMS of list = list.len();
    Box<[T]> [T]: ITEMS of list = list.len();
    VecDeque<T> [T]: ITEMS of list = list.len();
    BTreeMap<K, V> [K V]: PROPERTIES of map = map.len();
    HashMap<K, V, H> [K V H]: PROPERTIES of map = map.len();
}

/// A range that can limit a length. Implemented for ranges of whole numbers; it exists for its
/// message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot limit a length",
    label = "does not limit a length",
    note = "a length is limited by whole numbers, as in `length(1..=100)`"
)]
pub trait LengthRange: RangeBounds<usize> {}

#[diagnostic::do_not_recommend]
impl<R: RangeBounds<usize>> LengthRange for R {}

/// Refuses what is too short or too long, and says how long it may be. An absent value is of every
/// length.
///
/// # Errors
/// What the model reads.
pub fn check_length<T: Length>(value: Option<&T>, range: impl LengthRange) -> Result<(), String> {
    let Some(length) = value
        .map(T::length)
        .filter(|length| !range.contains(length))
    else {
        return Ok(());
    };
    let counted = |count: usize| {
        if count == 1 {
            T::COUNTED.one
        } else {
            T::COUNTED.many
        }
    };
    let ends = range.ends();
    let last = ends.iter().rev().find_map(|end| match end {
        Bound::Included(limit) | Bound::Excluded(limit) => limit.as_u64(),
        Bound::Unbounded => None,
    });
    let limited = counted(
        last.and_then(|last| usize::try_from(last).ok())
            .unwrap_or_default(),
    );
    Err(format!(
        "must have {} {limited}, but has {length} {}",
        worded(&ends),
        counted(length)
    ))
}

/// Writes a length into a property's schema.
pub fn narrow_length<T: Length>(schema: &mut Schema, range: impl LengthRange) {
    let least = match range.start_bound() {
        Bound::Included(least) => Some(*least),
        Bound::Excluded(below) => Some(below.saturating_add(1)),
        Bound::Unbounded => None,
    };
    let most = match range.end_bound() {
        Bound::Included(most) => Some(*most),
        Bound::Excluded(above) => Some(above.saturating_sub(1)),
        Bound::Unbounded => None,
    };
    for (key, limit) in [(T::COUNTED.least, least), (T::COUNTED.most, most)] {
        if let Some(limit) = limit {
            schema.insert(key.to_owned(), limit.into());
        }
    }
}
