use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::strict::drop_nulls;

/// An unrealistic schema.
fn schema() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "string", "integer", "number", "object", "array", "null", "boolean", "none",
    ]);
    let value = prop::sample::select(vec![
        json!(null),
        json!("a"),
        json!(1),
        json!(1.5),
        json!([]),
        json!({"a": 1}),
        json!(true),
    ]);
    let reference = prop::sample::select(vec![
        "#",
        "#/$defs/A",
        "#/$defs/B",
        "#/properties/a",
        "#/$defs/None",
        "x",
        "",
    ]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        name.clone().prop_map(|name| json!({ "type": name })),
        prop::collection::vec(name, 1..4).prop_map(|names| json!({ "type": names })),
        prop::collection::vec(value.clone(), 0..4).prop_map(|values| json!({ "enum": values })),
        value.clone().prop_map(|value| json!({ "const": value })),
        value.prop_map(|value| json!({"type": "string", "default": value})),
        reference.prop_map(|reference| json!({ "$ref": reference })),
        Just(json!({"type": "string", "pattern": "^(?!a)", "minLength": 2, "format": "uri"})),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let names = || prop::sample::select(vec!["a", "b", "kind", "$ref", "type"]);
        let listed = prop::collection::vec((names(), inner.clone()), 0..4);
        let required = prop::collection::vec(names(), 0..3);
        let object = (listed, required, prop::option::of(inner.clone())).prop_map(
            |(listed, required, more)| {
                let properties: serde_json::Map<_, _> = listed
                    .into_iter()
                    .map(|(name, schema)| (name.to_owned(), schema))
                    .collect();
                let mut object =
                    json!({"type": "object", "properties": properties, "required": required});
                if let Some(more) = more.filter(|more| more.is_boolean()) {
                    object["additionalProperties"] = more;
                }
                object
            },
        );
        let branches = prop::collection::vec(inner.clone(), 0..4);
        let key = prop::sample::select(vec!["anyOf", "oneOf", "allOf", "prefixItems", "items"]);
        let combined = (object.clone(), key, branches).prop_map(|(object, key, branches)| {
            let mut object = if branches.len() % 2 == 0 {
                object
            } else {
                json!({})
            };
            object[key] = branches.into();
            object
        });
        let list = inner.prop_map(|items| json!({"type": ["array", "null"], "items": items}));
        prop_oneof![object, combined, list]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_schema_panics_and_the_rewrite_is_idempotent(root in schema(), a in schema(), b in schema()) {
        let mut root = root;
        if let Some(root) = root.as_object_mut() {
            root.insert("$defs".to_owned(), json!({"A": a, "B": b}));
        }
        for profile in [Profile::openai(), Profile::portable(), Profile::azure()] {
            let _ = whole(root.clone(), &profile);
        }
        let _ = drop_nulls(r#"{"a":null,"b":{"a":null,"kind":[null,{"b":null}]},"kind":[{"a":null}]}"#, &root);
    }
}

#[test]
fn no_schema_takes_long() {
    let doubling = |key: &str, wrap: fn(Value) -> Value| {
        let both = |n: usize| json!({key: [{"$ref": format!("#/$defs/D{}", n + 1)}, {"$ref": format!("#/$defs/D{}", n + 1)}]});
        let mut definitions: serde_json::Map<_, _> =
            (0..40).map(|n| (format!("D{n}"), wrap(both(n)))).collect();
        definitions.insert(
            "D40".to_owned(),
            json!({"type": "object", "properties": {"x": {"type": "string"}}}),
        );
        json!({"type": "object", "properties": {"p": {"$ref": "#/$defs/D0"}}, "$defs": definitions})
    };
    let deep = (0..600).fold(
        json!({"type": "string"}),
        |inner, _| json!({"type": "array", "items": inner}),
    );
    let parallel = json!({"type": "object", "properties": {"p": {"allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]}}, "$defs": {
        "A": {"type": "object", "properties": {"l": {"$ref": "#/$defs/A"}, "r": {"$ref": "#/$defs/A"}}},
        "B": {"type": "object", "properties": {"l": {"$ref": "#/$defs/B"}, "r": {"$ref": "#/$defs/B"}}},
    }});
    let many: Vec<Value> = (0..60_000).map(|n| json!({ "const": n })).collect();
    let clique = |n: usize| {
        let properties: serde_json::Map<_, _> = (0..n)
            .map(|n| (format!("p{n}"), json!({"$ref": format!("#/$defs/D{n}")})))
            .collect();
        let definitions: serde_json::Map<_, _> = (0..n)
            .map(|n| {
                (
                    format!("D{n}"),
                    json!({"type": "object", "properties": properties}),
                )
            })
            .collect();
        json!({"type": "object", "properties": {"p": {"$ref": "#/$defs/D0"}}, "$defs": definitions})
    };
    // Names that are all the same in plain letters.
    let name = |n: u32| char::from_u32(0x4e00 + n).unwrap().to_string();
    let alike: serde_json::Map<_, _> = (0..2_000)
        .map(|n| (name(n), json!({"$ref": format!("#/$defs/{}", name(n))})))
        .collect();
    let definitions: serde_json::Map<_, _> = (0..2_000)
        .map(|n| (name(n), json!({"type": "null"})))
        .collect();
    let alike = json!({"type": "object", "properties": alike, "$defs": definitions});
    for schema in [
        doubling("allOf", |schema| schema),
        doubling("anyOf", |schema| schema),
        doubling(
            "anyOf",
            |schema| json!({"type": "object", "properties": {"x": schema}}),
        ),
        doubling("oneOf", |mut schema| {
            schema["type"] = "object".into();
            schema
        }),
        json!({"type": "object", "properties": {"p": deep}}),
        parallel,
        json!({"type": "object", "properties": {"p": {"anyOf": many}}}),
        clique(30),
        alike,
    ] {
        let begun = Instant::now();
        let _ = strict(&schema, &Profile::openai());
        let _ = drop_nulls(
            r#"{"p":{"x":{"x":{"x":{"x":{"x":{"x":null}}}}},"l":null}}"#,
            &schema,
        );
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
    }
}
