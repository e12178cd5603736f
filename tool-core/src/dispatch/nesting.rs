//! How deep JSON text nests, found without parsing it.

/// Whether arrays and objects nest more than `most` levels deep. Text that is not JSON has
/// some answer too.
pub(crate) fn deeper_than(text: &str, most: usize) -> bool {
    if text.len() <= most || opened(text) <= most {
        return false; // nearly always, and in a fraction of the time
    }
    let mut bytes = text.bytes();
    let mut depth = 0_usize;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'[' | b'{' if depth == most => return true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// How many brackets open, those in strings too. So few bytes have no more than one byte can count,
/// and a processor adds many such counts at once.
fn opened(text: &str) -> usize {
    let within = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| u8::from(matches!(byte, b'[' | b'{')))
            .sum::<u8>()
    };
    text.as_bytes()
        .chunks(128)
        .map(|bytes| usize::from(within(bytes)))
        .sum()
}

/// Continues past the closing quote.
fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use serde_json::Value;

    fn value() -> impl Strategy<Value = Value> {
        let text = vec(
            prop::sample::select(vec!['[', ']', '{', '}', '"', '\\', 'é', '\n', 'x']),
            0..6,
        );
        let text = text.prop_map(|chars| chars.into_iter().collect::<String>());
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            text.clone().prop_map(Value::from)
        ];
        leaf.prop_recursive(6, 30, 4, move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                btree_map(text.clone(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect()))
            ]
        })
    }

    fn depth(value: &Value) -> usize {
        let inside =
            |values: &mut dyn Iterator<Item = &Value>| 1 + values.map(depth).max().unwrap_or(0);
        match value {
            Value::Array(items) => inside(&mut items.iter()),
            Value::Object(map) => inside(&mut map.values()),
            _ => 0,
        }
    }

    proptest! {
        #[test]
        fn the_depth_is_that_of_the_value(value in value()) {
            let depth = depth(&value);
            for text in [value.to_string(), format!("{value:#}")] {
                prop_assert!(!deeper_than(&text, depth), "{}", text);
                prop_assert!(depth == 0 || deeper_than(&text, depth - 1), "{}", text);
            }
        }

        #[test]
        fn any_text_has_an_answer(text in vec(prop::sample::select(vec!['[', ']', '{', '}', '"', '\\', 'é']), 0..40), most in 0..9_usize) {
            let text: String = text.into_iter().collect();
            let opened = text.matches(['[', '{']).count();
            prop_assert!(!deeper_than(&text, most) || opened > most);
        }

        #[test]
        fn only_opened_brackets_are_counted(text in vec(prop::sample::select(vec!['[', ']', '{', '}', '"', 'é', ';']), 0..600)) {
            let text: String = text.into_iter().collect();
            prop_assert_eq!(opened(&text), text.matches(['[', '{']).count());
            prop_assert_eq!(opened(&"[{".repeat(text.len())), 2 * text.len());
        }
    }

    #[test]
    fn the_depth_limit_is_within_that_of_serde_json() {
        for (depth, fits) in [(127, true), (128, false)] {
            let text = "[".repeat(depth) + &"]".repeat(depth);
            assert_eq!(deeper_than(&text, 127), !fits);
            assert_eq!(serde_json::from_str::<Value>(&text).is_ok(), fits);
        }
    }
}
