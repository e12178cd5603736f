use super::*;
use crate::chat::Repair;

#[test]
fn quirk_02_a_name_is_found_despite_prefix_and_suffix() {
    for name in [
        "functions.now",
        "now:0",
        "functions.now:12",
        " now ",
        " functions.now:0\n",
        "default_api.now",
        "default_api:now",
        "now<|channel|>commentary",
        "now <|constrain|>json",
        "functions.now<|channel|>json",
    ] {
        let parsed = parse(json!([call("1", name, "{}")]));
        assert_eq!(runs(&parsed), [("now", "{}")], "{name}");
        assert_eq!(
            parsed.repairs,
            [(
                0,
                Repair::Name {
                    given: name.to_owned()
                }
            )]
        );
        assert_eq!(parsed.message.tool_calls[0].function.name, "now");
    }
}

#[test]
fn quirk_02_an_exact_name_is_preferred_and_an_unknown_one_kept() {
    let parsed = parse(json!([
        call("1", "now", "{}"),
        call("2", "now:x", "{}"),
        call("3", "functions.later", "{}"),
        call("4", "later<|channel|>now", "{}"),
        call("5", "default_api.functions.now", "{}")
    ]));
    let names: Vec<_> = runs(&parsed).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "now",
            "now:x",
            "functions.later",
            "later<|channel|>now",
            "default_api.functions.now"
        ]
    );
    assert_eq!(parsed.repairs, []);
}

#[test]
fn quirk_06_missing_ids_are_invented() {
    let calls = json!([{"function": {"name": "now"}}, {"id": "", "function": {"name": "now"}}, {"id": null, "function": {"name": "now"}}]);
    let parsed = parse(calls.clone());
    let expected = [
        "call_000000000001000000000000",
        "call_000000000001000000000001",
        "call_000000000001000000000002",
    ];
    assert_eq!(ids(&parsed), expected);
    assert_eq!(parse(calls), parsed);
    assert!(parsed.repairs.contains(&(
        0,
        Repair::Id {
            given: String::new()
        }
    )));
}

#[test]
fn quirk_07_repeated_ids_are_replaced_in_message_and_answers() {
    let parsed = parse(json!([call("now", "now", "{}"), call("now", "now", "{}")]));
    assert_eq!(ids(&parsed), ["now", "call_000000000001000000000001"]);
    let kept_ids: Vec<_> = parsed
        .message
        .tool_calls
        .iter()
        .map(|call| call.id.as_str())
        .collect();
    assert_eq!(kept_ids, ids(&parsed));
}

#[test]
fn quirk_08_an_id_of_an_earlier_turn_is_not_a_duplicate() {
    let parse = |turn| {
        message(json!({"tool_calls": [call("now:0", "now", "{}")]})).parse(&tools(&["now"]), turn)
    };
    assert_eq!(ids(&parse(1)), ids(&parse(2)));
}

#[test]
fn quirk_09_an_id_is_echoed_as_it_came() {
    let long = "x".repeat(80);
    for id in ["functions.now:0", "toolu_01", " a b ", &long] {
        let parsed = parse(json!([call(id, "now", "{}")]));
        assert_eq!(
            (ids(&parsed)[0], parsed.message.tool_calls[0].id.as_str()),
            (id, id)
        );
    }
}

#[test]
fn unknown_keys_of_a_call_are_kept_and_its_index_is_not() {
    let signed = json!({"id": "1", "index": 0, "type": "function", "function": {"name": "now", "arguments": "{}", "x": 1}, "extra_content": {"signature": "s"}});
    let kept = kept(parse(json!([signed])));
    let expected = json!({"id": "1", "type": "function", "function": {"name": "now", "arguments": "{}", "x": 1}, "extra_content": {"signature": "s"}});
    assert_eq!(kept["tool_calls"], json!([expected]));
}
