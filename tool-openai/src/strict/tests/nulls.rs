use super::*;
use crate::strict::drop_nulls;

fn dropped(arguments: &str, schema: &Value) -> String {
    drop_nulls(arguments, schema).unwrap_or_else(|| "unchanged".to_owned())
}

#[test]
fn nulls_of_optional_non_nullable_properties_are_dropped() {
    let schema = json!({"type": "object", "properties": {
        "a": {"type": "integer"}, "b": {"type": ["integer", "null"]}, "c": {"type": "string"}, "d": {"enum": ["x", null]}, "e": {},
    }, "required": ["c"]});
    assert_eq!(
        dropped(
            r#"{"a":null,"b":null,"c":null,"d":null,"e":null,"f":null}"#,
            &schema
        ),
        r#"{"b":null,"c":null,"d":null,"e":null,"f":null}"#
    );
    assert_eq!(dropped(r#"{"b":null,"c":"null"}"#, &schema), "unchanged");
    assert_eq!(dropped(r#"{"a":null"#, &schema), "unchanged");
    assert_eq!(dropped("null", &schema), "unchanged");
    assert_eq!(dropped(r#"{"a":null,"a":1}"#, &schema), r#"{"a":1}"#);
}

#[test]
fn other_arguments_keep_their_text() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}, "n": {"type": "number"}, "s": {"type": "string"}, "o": {"type": "object"}}});
    assert_eq!(
        dropped(
            r#"{ "a": null, "n": 123456789012345678901234567890.10, "s": "\u00e9\/", "o": { "x" : 1e400 } }"#,
            &schema
        ),
        r#"{"n":123456789012345678901234567890.10,"s":"\u00e9\/","o":{ "x" : 1e400 }}"#
    );
}

#[test]
fn nulls_are_found_through_references_lists_and_maps() {
    let schema = json!({"type": "object", "properties": {
        "list": {"type": "array", "items": {"$ref": "#/$defs/V"}},
        "map": {"type": "object", "additionalProperties": {"$ref": "#/$defs/V"}},
        "pair": {"type": "array", "prefixItems": [{"type": "null"}, {"$ref": "#/$defs/V"}]},
        "all": {"allOf": [{"$ref": "#/$defs/V"}, {"properties": {"z": {"type": "string"}}}]},
        "me": {"$ref": "#"},
    }, "$defs": {"V": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}}}});
    assert_eq!(
        dropped(r#"{"list":[{"x":null,"y":1},null]}"#, &schema),
        r#"{"list":[{"y":1},null]}"#
    );
    assert_eq!(
        dropped(r#"{"map":{"k":{"x":1,"y":null},"l":null}}"#, &schema),
        r#"{"map":{"k":{"x":1},"l":null}}"#,
        "an entry is given"
    );
    assert_eq!(
        dropped(r#"{"pair":[null,{"x":null}]}"#, &schema),
        r#"{"pair":[null,{}]}"#
    );
    assert_eq!(
        dropped(r#"{"all":{"x":null,"z":null}}"#, &schema),
        r#"{"all":{}}"#
    );
    assert_eq!(
        dropped(r#"{"me":{"me":{"list":null}}}"#, &schema),
        r#"{"me":{"me":{}}}"#
    );
}

#[test]
fn the_matching_variant_decides() {
    let form = |kind: &str, x: Value| json!({"type": "object", "properties": {"kind": {"const": kind}, "x": x, "y": {"type": "string"}}, "required": ["kind"]});
    let schema = json!({"type": "object", "properties": {"p": {"oneOf": [
        form("a", json!({"type": "integer"})), form("b", json!({"type": ["integer", "null"]})), {"type": "null"},
    ]}}});
    assert_eq!(
        dropped(r#"{"p":{"kind":"a","x":null,"y":"z"}}"#, &schema),
        r#"{"p":{"kind":"a","y":"z"}}"#
    );
    assert_eq!(
        dropped(r#"{"p":{"kind":"b","x":null,"y":null}}"#, &schema),
        r#"{"p":{"kind":"b","x":null}}"#
    );
    assert_eq!(dropped(r#"{"p":null}"#, &schema), "unchanged");
    assert_eq!(
        dropped(r#"{"p":{"kind":"c","x":null}}"#, &schema),
        "unchanged"
    );

    assert_eq!(
        dropped(r#"{"p":{"kind":"a","x":null,"y":1}}"#, &schema),
        r#"{"p":{"kind":"a","y":1}}"#,
        "it is meant, mistake or not"
    );

    let untagged = json!({"type": "object", "properties": {"p": {"anyOf": [
        {"type": "object", "properties": {"l": {"type": "integer"}, "r": {"type": "integer"}}, "required": ["l"], "additionalProperties": false},
        {"type": "object", "properties": {"n": {"type": "string"}}, "additionalProperties": false},
    ]}}});
    assert_eq!(
        dropped(r#"{"p":{"l":1,"r":null}}"#, &untagged),
        r#"{"p":{"l":1}}"#
    );
    assert_eq!(dropped(r#"{"p":{"n":null}}"#, &untagged), r#"{"p":{}}"#);
}

#[test]
fn an_enum_variant_never_matches_objects_or_lists() {
    let schema = json!({"type": "object", "properties": {"p": {"anyOf": [
        {"enum": ["x", "y"]}, {"const": 1}, {"type": "object", "properties": {"b": {"type": "string"}}},
        {"type": "array", "items": {"type": "object", "properties": {"b": {"type": "string"}}}},
    ]}}});
    assert_eq!(dropped(r#"{"p":{"b":null}}"#, &schema), r#"{"p":{}}"#);
    assert_eq!(dropped(r#"{"p":[{"b":null}]}"#, &schema), r#"{"p":[{}]}"#);
}

#[test]
fn a_variant_with_only_required_uses_sibling_properties() {
    let forms = json!([{"required": ["a"]}, {"required": ["b"]}]);
    let properties = json!({"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": ["string", "null"]}});
    let object = json!({"type": "object", "properties": properties, "anyOf": forms});
    let parts = json!({"allOf": [{"anyOf": forms}, {"type": "object", "properties": properties}]});
    let inner = json!({"anyOf": [{"type": "string"}, {"$ref": "#/properties/object"}]});
    let schema =
        json!({"type": "object", "properties": {"object": object, "parts": parts, "inner": inner}});
    for name in ["object", "parts", "inner"] {
        let wording = format!(r#"{{"{name}":{{"a":null,"b":"x","c":null}}}}"#);
        assert_eq!(
            dropped(&wording, &schema),
            format!(r#"{{"{name}":{{"b":"x","c":null}}}}"#)
        );
    }
}

#[test]
fn nulls_excluded_by_type_are_dropped() {
    let schema = json!({"type": "object", "properties": {"a": {"type": ["string", "null"], "not": {"type": "null"}}}});
    assert_eq!(dropped(r#"{"a":null}"#, &schema), "{}");
    let schema = json!({"type": "object", "properties": {"a": {"type": ["string", "null"], "not": {"const": "x"}}}});
    assert_eq!(dropped(r#"{"a":null}"#, &schema), "unchanged");
}

#[test]
fn hostile_arguments_are_unchanged() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "array", "items": {"$ref": "#/properties/a"}}, "b": {"type": "string"}}});
    let deep = format!(
        r#"{{"b":null,"a":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(
        dropped(&deep, &schema).len(),
        deep.len() - r#""b":null,"#.len()
    );
    let endless = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}});
    let members: Vec<String> = (0..2_000).map(|n| format!(r#""x{n}":null"#)).collect();
    let begun = std::time::Instant::now();
    dropped(&format!(r#"{{"a":{{{}}}}}"#, members.join(",")), &endless);
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}
