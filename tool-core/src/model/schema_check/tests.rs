use super::*;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

const DRAFT_7: &str = "http://json-schema.org/draft-07/schema#";

fn mistakes(cases: &[(Value, &str, &str)]) {
    for (schema, path, message) in cases {
        let mistake = SchemaMistake {
            path: (*path).to_owned(),
            message: (*message).to_owned(),
        };
        assert_eq!(check(schema), Err(mistake), "{schema}");
    }
}

#[test]
fn a_value_of_the_wrong_shape_is_a_mistake() {
    #[rustfmt::skip]
    mistakes(&[
        (json!([]), "", "the schema is an empty list; it must be an object"),
        (json!([{}]), "", "the schema is a list; it must be an object"),
        (json!("object"), "", "the schema is the string `object`; it must be an object"),
        (json!(true), "", "the schema is true; it must be an object"),
        (json!(null), "", "the schema is null; it must be an object"),
        (json!({"properties": []}), "properties",
         "`properties` is an empty list; it must be an object whose values are schemas"),
        (json!({"properties": {"a": null}}), "properties.a",
         "`a` is null; it must be a schema (an object, true or false), or left out"),
        (json!({"properties": {"limit": {"minimum": null}}}), "properties.limit.minimum",
         "`minimum` is null; it must be a number, or left out"),
        (json!({"maximum": "9"}), "maximum", "`maximum` is the string `9`; it must be a number"),
        (json!({"exclusiveMinimum": true}), "exclusiveMinimum",
         "`exclusiveMinimum` is true; it must be a number (true is the form of draft 4)"),
        (json!({"$schema": "http://json-schema.org/draft-04/schema#", "exclusiveMaximum": false}),
         "exclusiveMaximum",
         "`exclusiveMaximum` is false; it must be a number (false is the form of draft 4)"),
        (json!({"dependentRequired": {"exclusiveMinimum": true}}),
         "dependentRequired.exclusiveMinimum",
         "`exclusiveMinimum` is true; it must be a list of property names"),
        (json!({"multipleOf": 0}), "multipleOf",
         "`multipleOf` is 0; it must be a number above 0"),
        (json!({"minLength": -1}), "minLength",
         "`minLength` is -1; it must be a whole number from 0"),
        (json!({"maxItems": 1.5}), "maxItems",
         "`maxItems` is 1.5; it must be a whole number from 0"),
        (json!({"uniqueItems": "true"}), "uniqueItems",
         "`uniqueItems` is the string `true`; it must be true or false"),
        (json!({"description": ["a"]}), "description", "`description` is a list; it must be a string"),
        (json!({"examples": {}}), "examples", "`examples` is an object; it must be a list of values"),
        (json!({"additionalProperties": "no"}), "additionalProperties",
         "`additionalProperties` is the string `no`; it must be a schema (an object, true or false)"),
        (json!({"items": []}), "items",
         "`items` is an empty list; it must be a schema (an object, true or false); a list of schemas belongs in `prefixItems`"),
        (json!({"$schema": DRAFT_7, "items": [{}, 5]}), "items[1]",
         "`items[1]` is 5; it must be a schema (an object, true or false)"),
        (json!({"$defs": {"A": {"not": {"pattern": 1}}}}), "$defs.A.not.pattern",
         "`pattern` is 1; it must be a string"),
        (json!({"anyOf": [{}, {"oneOf": [null]}]}), "anyOf[1].oneOf[0]",
         "`oneOf[0]` is null; it must be a schema (an object, true or false)"),
        (json!({"dependencies": {"a": 5}}), "dependencies.a",
         "`a` is 5; it must be a schema (an object, true or false)"),
        (json!({"$id": "a#b"}), "$id",
         "`$id` is the string `a#b`; it must be a string with nothing after a `#`"),
        (json!({"$anchor": "1"}), "$anchor",
         "`$anchor` is the string `1`; it must be a string of letters, digits, `-`, `.` and `_` that begins with a letter or `_`"),
    ]);
}

#[test]
fn a_list_that_is_empty_or_repeats_is_a_mistake() {
    #[rustfmt::skip]
    mistakes(&[
        (json!({"type": []}), "type", "`type` is empty; list at least one type"),
        (json!({"enum": []}), "enum", "`enum` is empty; list at least one value"),
        (json!({"anyOf": []}), "anyOf", "`anyOf` is empty; list at least one schema"),
        (json!({"$schema": DRAFT_7, "items": []}), "items",
         "`items` is empty; list at least one schema"),
        (json!({"enum": "a"}), "enum", "`enum` is the string `a`; it must be a list of values"),
        (json!({"type": ["string", "null", "string"]}), "type",
         "`type` lists `string` twice; list it once"),
        (json!({"type": ["string", null]}), "type",
         "`type` lists null; it must be the name of a type or a list of such names"),
        (json!({"required": true}), "required",
         "`required` is true; it must be a list of property names"),
        (json!({"required": ["a", 1]}), "required",
         "`required` lists 1; it must be a list of property names"),
        (json!({"dependentRequired": {"a": ["b", "b"]}}), "dependentRequired.a",
         "`a` lists `b` twice; list it once"),
        (json!({"dependencies": {"a": ["b", "b"]}}), "dependencies.a",
         "`a` lists `b` twice; list it once"),
    ]);
}

#[test]
fn an_unknown_type_is_a_mistake() {
    #[rustfmt::skip]
    mistakes(&[
        (json!({"type": "strng"}), "type", "there is no type `strng`; did you mean `string`?"),
        (json!({"type": ["null", "Integer"]}), "type",
         "there is no type `Integer`; did you mean `integer`?"),
        (json!({"type": "date\n"}), "type",
         "there is no type `date `; the types are `array`, `boolean`, `integer`, `null`, `number`, `object`, `string`"),
        (json!({"type": 5}), "type",
         "`type` is 5; it must be the name of a type or a list of such names"),
    ]);
    let long = check(&json!({"type": "x".repeat(5_000)})).unwrap_err();
    assert!(long.message.contains(&format!("`{}…`", "x".repeat(100))));
}

#[test]
fn a_reference_that_leads_nowhere_is_a_mistake() {
    #[rustfmt::skip]
    mistakes(&[
        (json!({"properties": {"a": {"$ref": "#/$defs/Visit"}}}), "properties.a.$ref",
         "nothing is at `#/$defs/Visit`; define it there, or write the schema out"),
        (json!({"anyOf": [{}, {"$ref": "#visit"}]}), "anyOf[1].$ref",
         "nothing is at `#visit`; define it there, or write the schema out"),
        (json!({"$dynamicRef": "#/%FF", "\u{FFFD}": {}}), "$dynamicRef",
         "nothing is at `#/%FF`; define it there, or write the schema out"),
        (json!({"$ref": "#/required", "required": ["a"]}), "$ref",
         "`#/required` leads to a list; it must lead to a schema (an object, true or false)"),
        (json!({"$ref": "visit.json#/a"}), "$ref",
         "no schema here has the `$id` `visit.json`; put a copy under `$defs`, and refer to that"),
        (json!({"$ref": ""}), "$ref",
         "no schema here has the `$id` ``; put a copy under `$defs`, and refer to that"),
        (json!({"$ref": null}), "$ref", "`$ref` is null; it must be a string, or left out"),
        // Neither an unknown keyword nor a value declares anything.
        (json!({"$ref": "#a", "x": {"$anchor": "a"}, "const": {"$anchor": "a"}}), "$ref",
         "nothing is at `#a`; define it there, or write the schema out"),
    ]);
}

#[test]
fn the_first_mistake_in_document_order_is_reported() {
    let schema = json!({
        "properties": {"a": {"$ref": "#/$defs/B"}, "c": {"type": "strng"}},
        "required": true,
        "$defs": {"A": 5},
    });
    assert_eq!(check(&schema).unwrap_err().path, "properties.a.$ref");
    let schema = json!({"allOf": [{"not": {"not": {}}}, {"if": 1}], "title": 1});
    assert_eq!(check(&schema).unwrap_err().path, "allOf[1].if");
}

#[test]
fn a_schema_has_no_mistake() {
    let schemas = [
        json!({}),
        json!({"type": "object", "properties": {"$ref": {"type": ["string", "null"]}, "type": true}}),
        json!({"properties": {"a": {"$ref": "#"}}, "items": {"$dynamicRef": "#"}}),
        json!({"$ref": "#/$defs/a~1b~0c%20d", "$defs": {"a/b~c d": false}}),
        json!({"$ref": "#/anyOf/1/items", "anyOf": [{}, {"items": true}]}),
        json!({"$ref": "#here", "$dynamicRef": "#there", "not": {"$anchor": "here", "not": {"$dynamicAnchor": "there"}}}),
        json!({"$id": "urn:root", "anyOf": [{"$ref": "urn:root"}, {"$ref": "urn:root#"}, {"$ref": "urn:root#/anyOf/0"}]}),
        json!({"$defs": {"A": {"$id": "urn:a#", "$defs": {"B": {}}, "anyOf": [{"$ref": "#/$defs/B"}, {"$ref": "#/$defs/A"}]}}, "$ref": "urn:a#/$defs/B"}),
        json!({"$ref": "#/components/Pet", "components": {"Pet": {"type": "nonsense"}}}),
        json!({"$schema": DRAFT_7, "items": [{"$ref": "#/definitions/A"}, true], "additionalItems": false, "definitions": {"A": {"$id": "#a"}, "B": {"$ref": "#a"}}, "dependencies": {"a": ["b"], "c": {}}}),
        json!({"$schema": "https://json-schema.org/draft/2019-09/schema", "items": [{}]}),
        json!({"additionalProperties": false, "not": true, "allOf": [true, false]}),
        json!({"x-order": null, "nullable": [], "additionalItems": "odd", "enumNames": {"type": 7}}),
        json!({"const": {"type": "strng"}, "default": {"$ref": "#/no"}, "examples": [{"type": 1}], "enum": [{"type": 1}, null]}),
        json!({"minLength": 5.0, "maxLength": u64::MAX, "multipleOf": 0.01, "minimum": -1, "exclusiveMaximum": 1e300}),
        json!({"required": [], "dependentRequired": {"a": ["b"]}, "pattern": "(", "format": "odd"}),
    ];
    for schema in schemas {
        assert_eq!(check(&schema), Ok(()), "{schema}");
    }
}

/// The check runs on a small stack. The value does not: serde_json drops it recursively.
#[test]
fn a_deep_schema_needs_no_stack() {
    const DEPTH: usize = 21_000;
    // Not `json!`, which copies what it is given.
    let object = |key: &str, value| Value::Object([(key.to_owned(), value)].into_iter().collect());
    let nested = |leaf: Value| {
        (0..DEPTH).fold(leaf, |inner, depth| match depth % 3 {
            0 => object("not", inner),
            1 => object("properties", object("a", inner)),
            _ => object("allOf", Value::Array(vec![inner])),
        })
    };
    let on_stack = |size: usize, run: &(dyn Fn() + Sync)| {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(size);
            thread.spawn_scoped(scope, run).unwrap().join().unwrap();
        });
    };
    on_stack(1 << 28, &|| {
        let (good, bad) = (nested(json!({})), nested(json!({"type": "strng"})));
        let value = object("const", nested(json!(5)));
        on_stack(1 << 17, &|| {
            assert!(check(&good).is_ok() && check(&value).is_ok());
            let mistake = check(&bad).unwrap_err();
            assert!(mistake.path.ends_with(".not.type"));
            assert_eq!(mistake.path.matches("properties.a").count(), DEPTH / 3);
        });
    });
}

/// A value that most keywords do not take.
fn odd() -> impl Strategy<Value = Value> {
    select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(0.5),
        json!(5.0),
        json!("no"),
        json!("string"),
        json!("#"),
        json!("#/properties/a"),
        json!("a#b"),
        json!("1a"),
        json!([]),
        json!([null]),
        json!([{}, true]),
        json!(["string"]),
        json!(["a", "a"]),
        json!({}),
        json!({"a": 5}),
        json!({"a": ["b"]}),
    ])
}

/// A keyword with a value that it takes, or, sometimes, with an odd one.
fn keyword(inner: BoxedStrategy<Value>, odd_names: bool) -> impl Strategy<Value = (String, Value)> {
    let names = || vec(select(vec!["a", "b", "c"]), 0..2);
    let with = |keywords: &[&'static str], value: BoxedStrategy<Value>| {
        (
            select(keywords.to_vec()),
            prop_oneof![12 => value, 1 => odd()],
        )
            .boxed()
    };
    let named = |keywords: &[&'static str], value: BoxedStrategy<Value>| {
        if odd_names {
            return with(keywords, value);
        }
        (select(keywords.to_vec()), value).boxed()
    };
    let from = |values: &[Value]| select(values.to_vec()).boxed();
    let by_name = |value: BoxedStrategy<Value>| {
        let map = btree_map(select(vec!["a", "b", "c"]), value, 0..3);
        map.prop_map(|map| json!(map)).boxed()
    };
    #[rustfmt::skip]
    let groups = [
        with(&["items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else",
               "unevaluatedItems", "unevaluatedProperties", "contentSchema", "additionalItems"], inner.clone()),
        with(&["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"],
             by_name(inner.clone())),
        with(&["allOf", "anyOf", "oneOf", "prefixItems"], vec(inner, 1..3).prop_map(Value::from).boxed()),
        with(&["dependentRequired", "dependencies"], by_name(names().prop_map(Value::from).boxed())),
        with(&["required"], names().prop_map(Value::from).boxed()),
        with(&["type"], from(&[json!("string"), json!("null"), json!(["array", "integer"])])),
        with(&["enum", "examples"], from(&[json!([1]), json!([1, 1]), json!([null, {}])])),
        with(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"], from(&[json!(-5), json!(0.5)])),
        with(&["multipleOf"], from(&[json!(3), json!(0.01)])),
        with(&["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains",
               "maxContains"], from(&[json!(0), json!(7), json!(7.0)])),
        with(&["uniqueItems", "readOnly", "writeOnly", "deprecated"], any::<bool>().prop_map(Value::from).boxed()),
        with(&["pattern", "format", "title", "description", "$comment", "contentEncoding", "contentMediaType"],
             from(&[json!("a"), json!("")])),
        named(&["$id"], from(&[json!("urn:a"), json!("https://example.com/a#")])),
        named(&["$anchor", "$dynamicAnchor"], from(&[json!("here"), json!("there")])),
        with(&["$ref", "$dynamicRef"], from(&[json!("#"), json!("#"), json!("#/properties/a"), json!("#here"), json!("urn:a")])),
        with(&["const", "default", "unknown"], odd().boxed()),
    ];
    proptest::strategy::Union::new(groups).prop_map(|(keyword, value)| (keyword.to_owned(), value))
}

fn schema(odd_names: bool) -> impl Strategy<Value = Value> {
    let object = move |inner: BoxedStrategy<Value>| {
        vec(keyword(inner, odd_names), 0..5)
            .prop_map(|entries| Value::Object(entries.into_iter().collect()))
    };
    let leaf = prop_oneof![Just(json!({})), any::<bool>().prop_map(Value::from)];
    let inner = leaf.prop_recursive(3, 24, 4, move |inner| object(inner.boxed()));
    prop_oneof![40 => object(inner.boxed()), 1 => odd()]
}

/// Whether the meta-schema accepts the mistake.
fn is_stricter(SchemaMistake { path, message }: &SchemaMistake) -> bool {
    let leads_nowhere = ["nothing is at", "`#", "no schema here has the `$id`"];
    path.is_empty()
        || path.ends_with("enum") && message.contains("is empty")
        || path.to_lowercase().ends_with("ref")
            && leads_nowhere.iter().any(|start| message.starts_with(start))
}

/// The same with lists of items as 2020-12 has them.
fn with_prefix_items(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(keywords) => {
            if let Some(Value::Array(_)) = keywords.get("items")
                && let Some(items) = keywords.remove("items")
            {
                keywords.insert("prefixItems".to_owned(), items);
            }
            keywords
                .values_mut()
                .for_each(|value| *value = with_prefix_items(value.take()));
        }
        Value::Array(list) => list
            .iter_mut()
            .for_each(|value| *value = with_prefix_items(value.take())),
        _ => {}
    }
    schema
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_check_agrees_with_the_meta_schema(schema in schema(true)) {
        let checked = check(&schema);
        let valid = jsonschema::draft202012::meta::is_valid(&with_prefix_items(schema));
        match checked {
            Ok(()) => prop_assert!(valid),
            Err(mistake) => prop_assert!(!valid || is_stricter(&mistake), "{:?}", mistake),
        }
    }

    // Without odd names: 2019-09 has its own rules for them.
    #[test]
    fn what_is_accepted_is_a_schema_of_an_older_draft(
        schema in schema(false),
        draft in select(vec![DRAFT_7, "http://json-schema.org/draft-06/schema#", "https://json-schema.org/draft/2019-09/schema"]),
    ) {
        let mut schema = schema;
        if let Some(keywords) = schema.as_object_mut() {
            keywords.insert("$schema".to_owned(), draft.into());
        }
        if check(&schema).is_ok() {
            prop_assert!(jsonschema::meta::is_valid(&schema));
        }
    }
}
