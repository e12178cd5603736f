//! Where serde and the schema differ: each exception by its name, shown to be there. One that is
//! gone can be dropped from `lenience.rs`, `draw.rs`, `grammar.rs` or `build.rs`, which leave it
//! out of the rule.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use tool_core::{ToolSet, tool, tools};
use url::Url;
use uuid::Uuid;

use crate::tools::{Caller, judge};
use crate::types::{
    Adjacent, External, Internal, Nothing, Order, Route, Solo, Untagged, WithAdjacent, WithMap,
    WithStruct, WithTagged,
};

/// What the schema cannot say, so that the tool refuses what it admits: a part of the type, and of
/// the refusal.
pub(crate) fn is_refused_all_the_same(shape: &str, refusal: &str) -> bool {
    let exceptions = [
        ("f32", "number out of range"),
        ("Map<u8", "expected u8"),
        ("Map<u8", "invalid number"),
        ("Map<i64", "expected i64"),
        ("Map<i64", "invalid number"),
        ("Url", "empty host"),
        ("Url", "invalid port number"),
        ("Url", "invalid IPv4 address"),
        ("Url", "invalid international domain name"),
    ];
    exceptions
        .iter()
        .any(|(part, message)| shape.contains(part) && refusal.contains(message))
}

/// Whether a duration may have more seconds than it can hold, once those in its nanoseconds are
/// added.
pub(crate) fn may_overflow(shape: &str, text: &str) -> bool {
    shape.contains("Duration") && text.contains(r#""secs":18446744073709551"#)
}

fn parameters(tools: &ToolSet) -> &Value {
    tools.definitions().next().unwrap().parameters()
}

/// Whether the schema admits each value, and the tool accepts it.
fn verdicts(tools: ToolSet, values: &[&str]) -> Vec<(bool, bool)> {
    let judge = judge(parameters(&tools));
    let name = tools.definitions().next().unwrap().name().to_owned();
    let caller = Caller::new(tools);
    let verdicts = values.iter().map(|value| {
        let text = format!(r#"{{"value":{value}}}"#);
        (
            judge.is_valid(&serde_json::from_str(&text).unwrap()),
            caller.refusal(&name, &text).is_none(),
        )
    });
    verdicts.collect()
}

const ACCEPTED_ONLY: (bool, bool) = (false, true);
const ADMITTED_ONLY: (bool, bool) = (true, false);

macro_rules! exceptions {
    ($($(#[$attribute:meta])* $name:ident $(#[$arg:meta])*: $ty:ty, $verdict:ident [$($value:expr),* $(,)?];)*) => {
        $(
            $(#[$attribute])*
            #[test]
            fn $name() {
                /// Take a value.
                #[tool]
                async fn take($(#[$arg])* value: $ty) {
                    let _ = value;
                }

                let values = [$($value),*];
                for (value, verdict) in values.iter().zip(verdicts(tools![take], &values)) {
                    assert_eq!(verdict, $verdict, "{value}");
                }
            }
        )*
    };
}

// Inside what serde reads into memory first.
exceptions! {
    an_internally_tagged_enum_takes_unknown_properties: Internal<u8>, ACCEPTED_ONLY [
        r#"{"kind":"Free","x":1}"#,
        r#"{"kind":"Card","number":1,"x":1}"#,
        r#"{"kind":"Page","items":[],"page-number":1,"x":1}"#,
    ];
    an_untagged_enum_takes_unknown_properties: Untagged<u8, char>, ACCEPTED_ONLY [r#"{"left":1,"x":1}"#];
    a_struct_with_a_flattened_one_takes_unknown_properties: WithStruct<u8>, ACCEPTED_ONLY [r#"{"due":"","items":[],"page-number":1,"x":1}"#];
    a_struct_in_a_flattened_map_takes_unknown_properties: WithMap<Solo<u8>>, ACCEPTED_ONLY [r#"{"due":1,"a":{"only":1,"x":1}}"#];
    an_adjacently_tagged_enum_takes_unknown_properties_before_its_tag: Adjacent<Solo<u8>, u8>, ACCEPTED_ONLY [
        r#"{"of":{"only":1,"x":1},"kind":"One"}"#,
    ];
    a_unit_may_be_empty_when_buffered: WithAdjacent<Nothing, u8>, ACCEPTED_ONLY [r#"{"kind":"One","of":[]}"#, r#"{"kind":"One","of":{}}"#];
    a_struct_may_be_a_list_when_buffered: Internal<u8>, ACCEPTED_ONLY [r#"["Free"]"#, r#"["Card",1]"#];
    a_tag_may_be_the_number_of_its_variant: WithTagged<u8>, ACCEPTED_ONLY [r#"{"due":"","kind":0}"#];
    optional_content_may_be_left_out: Adjacent<Option<u8>, u8>, ACCEPTED_ONLY [r#"{"kind":"One"}"#];
    a_unit_variant_may_be_an_object_when_buffered: Untagged<Order, u8>, ACCEPTED_ONLY [r#"{"as it comes":null}"#];
    a_128_bit_integer_cannot_be_buffered: Untagged<u128, String>, ADMITTED_ONLY ["1"];
    a_128_bit_integer_cannot_be_flattened: WithMap<i128>, ADMITTED_ONLY [r#"{"due":1,"a":1}"#];
    a_128_bit_integer_cannot_precede_its_tag: Adjacent<u8, u128>, ADMITTED_ONLY [r#"{"of":{"left":1},"kind":"Named"}"#];
    integer_keys_cannot_be_buffered: Internal<BTreeMap<u8, u8>>, ADMITTED_ONLY [r#"{"kind":"Card","number":{"1":1}}"#];
    a_flattened_option_takes_mistakes_for_nothing: MaybeSolo, ACCEPTED_ONLY [r#"{"due":1,"only":"one"}"#];
    a_flattened_part_that_denies_unknown_properties_denies_the_others: Denying, ADMITTED_ONLY [
        r#"{"kind":"Cash","firstSeen":1,"by":"Hand"}"#,
    ];
}

// Anywhere.
exceptions! {
    a_unit_variant_may_be_an_object: External<u8, u8>, ACCEPTED_ONLY [r#"{"Point":null}"#];
    the_least_integers_are_not_in_the_schema: i64, ACCEPTED_ONLY ["-9223372036854774785", "-9223372036854775808"];
    null_is_the_default #[arg(default = 3)]: u8, ACCEPTED_ONLY ["null"];
    a_small_float_is_smaller_than_a_number: f32, ADMITTED_ONLY ["1e39"];
    integer_keys_are_smaller_than_their_pattern: BTreeMap<u8, u8>, ADMITTED_ONLY [r#"{"256":1}"#, r#"{"01":1}"#];
    keys_are_any_text_to_the_schema: BTreeMap<char, u8>, ADMITTED_ONLY [r#"{"ab":1}"#];
    a_date_may_lack_zeros: NaiveDate, ACCEPTED_ONLY [r#""2024-2-9""#];
    an_identifier_may_lack_hyphens: Uuid, ACCEPTED_ONLY [r#""67e5504410b1426f9247bb680e5fe0c8""#];
    an_address_needs_a_host: Url, ADMITTED_ONLY [r#""http://""#];
    a_duration_may_overflow: Duration, ADMITTED_ONLY [r#"{"secs":18446744073709551615,"nanos":1000000000}"#];
    an_alias_is_not_in_the_schema: Aliased, ACCEPTED_ONLY [r#"{"old":1}"#];
    any_other_name_is_not_in_the_schema: WithRest, ACCEPTED_ONLY [r#""anything""#];
    a_type_does_not_know_the_limits_in_its_schema: Limited, ACCEPTED_ONLY [r#"{"note":"long"}"#];
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "what is decoded is not looked at")]
struct MaybeSolo {
    due: u8,
    #[serde(flatten)]
    solo: Option<Solo<u8>>,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "what is decoded is not looked at")]
struct Denying {
    #[serde(flatten)]
    payment: Internal<u8>,
    #[serde(flatten)]
    route: Route,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "what is decoded is not looked at")]
struct Aliased {
    #[serde(alias = "old")]
    new: u8,
}

#[derive(Deserialize, JsonSchema)]
enum WithRest {
    North,
    #[serde(other)]
    Rest,
}

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "what is decoded is not looked at")]
struct Limited {
    #[schemars(length(max = 2))]
    note: String,
}

#[test]
fn a_tag_that_comes_first_leaves_nothing_to_buffer() {
    /// Take a value.
    #[tool]
    async fn take(value: Adjacent<Solo<u8>, u128>) {
        let _ = value;
    }
    let values = [
        r#"{"kind":"One","of":{"only":1,"x":1}}"#,
        r#"{"kind":"Named","of":{"left":1}}"#,
    ];
    assert_eq!(
        verdicts(tools![take], &values),
        [(false, false), (true, true)]
    );
}
