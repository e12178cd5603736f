use super::super::param::Param;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    Rising,
    Falling,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only decoded")]
enum Shape {
    Circle { radius: f64 },
    Line(f64, f64),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
#[expect(dead_code, reason = "only decoded")]
enum Tagged {
    A { number: u8 },
    B { text: String },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only decoded")]
enum Untagged {
    Number(u8),
    Text { text: String },
}

fn mistake<T: super::super::param::Parameter>(text: &str) -> String {
    let param: Param<T> = Param::new("p", "");
    match param.read(Some(text)) {
        Ok(_) => "none".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_variants_of_an_enum_are_named() {
    for (text, found) in [
        ("5", "integer `5`"),
        ("true", "boolean `true`"),
        ("null", "null"),
        ("[]", "a list"),
        ("{}", "an empty object"),
    ] {
        assert_eq!(
            mistake::<Order>(text),
            format!("`p`: found {found}, expected `rising` or `falling`")
        );
    }
    assert_eq!(
        mistake::<Option<Order>>("5"),
        "`p`: found integer `5`, expected `rising` or `falling`"
    );
    assert_eq!(
        mistake::<Order>("\"up\""),
        "`p`: unknown variant `up`, expected `rising` or `falling`"
    );
}

#[test]
fn the_variants_of_a_value_are_named() {
    assert_eq!(
        mistake::<Shape>("{}"),
        "`p`: found an empty object, expected an object with `Circle` or an object with `Line`"
    );
    assert_eq!(
        mistake::<Shape>(r#"{"Circle": {"radius": 1}, "Line": [1, 2]}"#),
        "`p`: found an object with `Circle` and `Line`, expected an object with `Circle` or an object with `Line`"
    );
    assert_eq!(
        mistake::<Shape>("\"Circle\""),
        "`p`: found string \"Circle\", expected an object with `Circle` or an object with `Line`"
    );
    assert_eq!(
        mistake::<Tagged>("5"),
        "`p`: found integer `5`, expected an object with `kind`: `A` and `number` or an object with `kind`: `B` and `text`"
    );
    assert_eq!(
        mistake::<Untagged>("true"),
        "`p`: found boolean `true`, expected an integer from 0 to 255 or an object with `text`"
    );
}

#[test]
fn a_mistake_in_a_variant_has_its_path() {
    assert_eq!(
        mistake::<Tagged>(r#"{"kind": "A", "number": "x"}"#),
        "`p.number`: found string \"x\", expected an integer from 0 to 255"
    );
    assert_eq!(
        mistake::<Vec<Untagged>>(r#"[1, {"text": 5}]"#),
        "`p[1].text`: found integer `5`, expected a string"
    );
    assert_eq!(
        mistake::<BTreeMap<u8, u8>>(r#"{"1": 1, "a": 1}"#),
        "`p.a`: invalid value: expected key to be a number in quotes"
    );
}

#[test]
fn nested_variants_are_checked_in_linear_time() {
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    #[expect(dead_code, reason = "only decoded")]
    enum Either {
        One { next: Box<Either> },
        Other { next: Box<Either> },
        End { number: u8 },
    }

    let inside = |inner: String, _| format!(r#"{{"kind": "One", "next": {inner}}}"#);
    let end = r#"{"kind": "End", "number": "x"}"#.to_owned();
    let value = (0..30).fold(end, inside);
    assert!(mistake::<Either>(&value).starts_with("`p"));
}

#[test]
fn quoted_values_are_short() {
    let long = "x".repeat(500);
    let wording = mistake::<u8>(&format!("{long:?}"));
    assert!(
        wording.len() < 200 && wording.ends_with("…\", expected u8"),
        "{wording}"
    );
    let wording = mistake::<Order>(&format!("{long:?}"));
    assert!(
        wording.len() < 200 && wording.ends_with("…`, expected `rising` or `falling`"),
        "{wording}"
    );
    let quotes = "\\\"`".repeat(5_000);
    for wording in [
        mistake::<u8>(&format!("\"{quotes}\"")),
        mistake::<Order>(&format!("\"{quotes}\"")),
    ] {
        assert!(wording.chars().count() < 1_100, "{wording}");
    }
}

#[test]
fn null_is_not_a_mistake_for_an_optional_value() {
    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only decoded")]
    struct Sorted {
        after: Option<Order>,
        by: Order,
    }

    assert_eq!(
        mistake::<Sorted>(r#"{"after": null, "by": 5}"#),
        "`p.by`: found integer `5`, expected `rising` or `falling`"
    );
}

#[test]
fn a_key_with_a_question_mark_is_not_an_unknown_key() {
    assert_eq!(
        mistake::<BTreeMap<String, Order>>(r#"{"why?": 5, "b": 1}"#),
        "`p.why?`: found integer `5`, expected `rising` or `falling`"
    );
}

#[test]
fn only_what_the_decoder_refuses_is_a_mistake() {
    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only decoded")]
    struct Filter {
        #[schemars(range(max = 10))]
        above: u64,
        order: Order,
    }

    assert_eq!(
        mistake::<Filter>(r#"{"above": 500, "order": 5}"#),
        "`p.order`: found integer `5`, expected `rising` or `falling`"
    );
}
