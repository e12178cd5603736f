use super::*;

#[test]
fn the_root_is_a_plain_object() {
    let openai = Profile::openai();
    assert_eq!(
        whole(json!({"type": "object"}), &openai),
        Ok(closed(json!({})))
    );
    assert_eq!(
        whole(
            json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object"}}}),
            &openai
        ),
        Ok(closed(json!({})))
    );
    let forms = json!({"anyOf": [{"type": "object"}, {"type": "object", "properties": {"a": {"type": "string"}}}]});
    assert_eq!(whole(forms, &openai), Err((String::new(), Obstacle::Forms)));
    assert_eq!(
        whole(json!({"type": "string"}), &openai),
        Err((String::new(), Obstacle::Forms))
    );
    assert_eq!(
        whole(json!(true), &openai),
        Err((String::new(), Obstacle::NoSchema))
    );
}

#[test]
fn every_schema_has_a_type() {
    assert_eq!(
        parameter(json!({"enum": ["a", "b"]})),
        Ok(json!({"type": "string", "enum": ["a", "b"]}))
    );
    assert_eq!(
        parameter(json!({"const": 1})),
        Ok(json!({"type": "integer", "const": 1}))
    );
    assert_eq!(
        parameter(json!({"const": null})),
        Ok(json!({"type": "null"}))
    );
    assert_eq!(
        parameter(json!({"properties": {}, "additionalProperties": false})),
        Ok(closed(json!({})))
    );
    assert_eq!(
        parameter(json!({"items": {"type": "null"}})),
        Ok(json!({"type": "array", "items": {"type": "null"}}))
    );
    assert_eq!(
        obstacle(json!({"minLength": 1})),
        ("properties.p".into(), Obstacle::Untyped)
    );
    assert_eq!(
        obstacle(json!({"type": "date"})),
        ("properties.p".into(), Obstacle::UnknownType("date".into()))
    );
    for anything in [json!(true), json!({}), json!({"description": "Anything."})] {
        assert_eq!(
            obstacle(anything),
            ("properties.p".into(), Obstacle::Anything)
        );
    }
    assert_eq!(
        obstacle(json!(false)),
        ("properties.p".into(), Obstacle::Nothing)
    );
    assert_eq!(
        obstacle(json!(7)),
        ("properties.p".into(), Obstacle::NoSchema)
    );
}

#[test]
fn a_union_of_types_becomes_one_of_schemas() {
    assert_eq!(
        parameter(json!({"type": ["string", "null"]})),
        Ok(json!({"type": ["string", "null"]}))
    );
    assert_eq!(
        parameter(json!({"type": ["string"]})),
        Ok(json!({"type": "string"}))
    );
    assert_eq!(
        parameter(json!({"type": "string", "nullable": true})),
        Ok(json!({"type": ["string", "null"]}))
    );
    assert_eq!(
        parameter(json!({"type": ["string", "integer", "null"], "minimum": 1})),
        Ok(
            json!({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1}, {"type": "null"}]})
        )
    );
    assert_eq!(
        parameter(json!({"type": ["integer", "number"]})),
        Ok(json!({"type": "number"}))
    );
}

#[test]
fn every_property_is_required_and_the_optional_ones_may_be_null() {
    let schema = json!({"type": "object", "properties": {
        "a": {"type": "integer", "default": 3},
        "b": {"type": ["integer", "null"]},
        "c": {"enum": ["x", "y"], "description": "Which"},
        "d": {"$ref": "#/$defs/D"},
        "e": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "f": {"const": "f"},
    }, "$defs": {"D": {"type": "array", "items": {"type": "string"}}}});
    let expected = json!({
        "type": "object",
        "properties": {
            "a": {"description": "Default: 3.", "type": ["integer", "null"]},
            "b": {"type": ["integer", "null"]},
            "c": {"description": "Which", "type": ["string", "null"], "enum": ["x", "y", null]},
            "d": {"anyOf": [{"$ref": "#/$defs/D"}, {"type": "null"}]},
            "e": {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
            "f": {"type": ["string", "null"], "enum": ["f", null]},
        },
        "required": ["a", "b", "c", "d", "e", "f"],
        "additionalProperties": false,
        "$defs": {"D": {"type": "array", "items": {"type": "string"}}},
    });
    assert_eq!(
        whole(schema, &Profile::openai()).map(|schema| schema.to_string()),
        Ok(expected.to_string())
    );
}

#[test]
fn properties_keep_their_order() {
    let schema = json!({"type": "object", "properties": {"z": {"type": "null"}, "a": {"type": "null"}, "m": {"type": "null"}}});
    let strict = whole(schema, &Profile::openai()).unwrap();
    assert_eq!(
        strict["properties"]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["z", "a", "m"]
    );
    assert_eq!(strict["required"], json!(["z", "a", "m"]));
}

#[test]
fn required_properties_must_be_declared() {
    assert_eq!(
        obstacle(json!({"type": "object", "properties": {}, "required": ["x"]})),
        ("properties.p".into(), Obstacle::Undescribed("x".into()))
    );
}

#[test]
fn a_nullable_enum_lists_null_and_another_does_not() {
    let nullable = json!({"type": ["string", "null"], "enum": ["a", null]});
    assert_eq!(parameter(nullable.clone()), Ok(nullable));
    assert_eq!(
        parameter(json!({"type": ["string", "null"], "enum": ["a", "a"]})),
        Ok(json!({"type": "string", "enum": ["a"]}))
    );
    assert_eq!(
        parameter(json!({"type": "null", "enum": ["javascript", null]})),
        Ok(json!({"type": "null"}))
    );
    assert_eq!(
        parameter(json!({"type": "string", "enum": ["a", 1]})),
        Ok(json!({"type": "string", "enum": ["a"]}))
    );
    assert_eq!(
        obstacle(json!({"type": "string", "enum": [1]})),
        ("properties.p".into(), Obstacle::Nothing)
    );
    assert_eq!(
        obstacle(json!({"const": {"a": 1}})),
        ("properties.p".into(), Obstacle::Constant)
    );
}

#[test]
fn annotations_become_descriptions() {
    assert_eq!(
        parameter(json!({
            "title": "P", "$comment": "x", "readOnly": true, "x-order": 1, "type": "string", "description": "A name", "default": "Jo",
            "examples": ["Al", "Bo"], "deprecated": true, "contentEncoding": "base64",
        })),
        Ok(
            json!({"description": "A name. Default: \"Jo\". For example: \"Al\", \"Bo\". Deprecated. Encoding: base64.", "type": "string"})
        )
    );
    assert_eq!(
        parameter(json!({"type": ["string", "null"], "default": null})),
        Ok(json!({"type": ["string", "null"]}))
    );
    let root = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "T", "type": "object", "description": "D"});
    assert_eq!(whole(root, &Profile::openai()).unwrap()["description"], "D");
}

#[test]
fn bounds_are_kept_where_the_service_accepts_them() {
    let number =
        json!({"type": "number", "minimum": 1, "exclusiveMaximum": 5.5, "multipleOf": 0.5});
    assert_eq!(parameter(number.clone()), Ok(number.clone()));
    assert_eq!(
        parameter_for(number, &Profile::azure()),
        Ok(
            json!({"description": "At least 1. Less than 5.5. A multiple of 0.5.", "type": "number"})
        )
    );
    let list = json!({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3});
    assert_eq!(parameter(list.clone()), Ok(list.clone()));
    assert_eq!(
        parameter_for(list, &Profile::azure()),
        Ok(
            json!({"description": "At least 1 item. At most 3 items.", "type": "array", "items": {"type": "string"}})
        )
    );
    let of_draft_4 = json!({"type": "integer", "minimum": 0, "exclusiveMinimum": true, "maximum": 9, "exclusiveMaximum": false});
    assert_eq!(
        parameter(of_draft_4),
        Ok(json!({"type": "integer", "maximum": 9, "exclusiveMinimum": 0}))
    );
}

#[test]
fn lengths_are_described_unless_the_profile_takes_them() {
    let text = json!({"type": "string", "minLength": 1, "maxLength": 8});
    assert_eq!(
        parameter(text.clone()),
        Ok(json!({"description": "At least 1 character. At most 8 characters.", "type": "string"}))
    );
    assert_eq!(
        parameter_for(text.clone(), &Profile::openai().with_lengths()),
        Ok(text)
    );
}

#[test]
fn formats_that_services_know_are_kept_and_others_described() {
    for format in [
        "date-time",
        "time",
        "date",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "uuid",
    ] {
        let known = json!({"type": "string", "format": format});
        assert_eq!(parameter(known.clone()), Ok(known));
    }
    assert_eq!(
        parameter(json!({"type": "string", "format": "uri"})),
        Ok(json!({"description": "Format: uri.", "type": "string"}))
    );
    assert_eq!(
        parameter(json!({"type": "integer", "format": "int64"})),
        Ok(json!({"type": "integer"}))
    );
    assert_eq!(
        parameter(json!({"type": "number", "format": "double"})),
        Ok(json!({"type": "number"}))
    );
    let date = json!({"type": "string", "format": "date"});
    assert_eq!(
        parameter_for(date, &Profile::azure()),
        Ok(json!({"description": "Format: date.", "type": "string"}))
    );
}

#[test]
fn patterns_are_kept_unless_they_look_around_or_back() {
    for pattern in [
        "^P-\\d{5}$",
        "(a|b)+",
        "(?:a)\\(",
        "[(]x",
        "\\p{L}+",
        "(?<name>a)",
        "(?i)a",
        "[\\w.-]+@\\x41",
    ] {
        let kept = json!({"type": "string", "pattern": pattern});
        assert_eq!(parameter(kept.clone()), Ok(kept));
    }
    for pattern in [
        "^(?!x)",
        "a(?=b)",
        "(?<=a)b",
        "(?<!a)b",
        "(a)\\1",
        "\\bfoo\\b",
        "\\Bfoo",
        "a\\Z",
        "(?>a)",
        "(?P=a)",
        "(a",
        "[a",
    ] {
        let described = json!({"description": format!("Pattern: {pattern}"), "type": "string"});
        assert_eq!(
            parameter(json!({"type": "string", "pattern": pattern})),
            Ok(described)
        );
    }
    for pattern in ["\\p{L}+", "(?<name>a)", "(?i)a"] {
        let strict = parameter_for(
            json!({"type": "string", "pattern": pattern}),
            &Profile::portable(),
        )
        .unwrap();
        assert_eq!(strict.get("pattern"), None, "{pattern}");
    }
}

#[test]
fn narrowing_keywords_become_descriptions() {
    assert_eq!(
        parameter(json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true, "contains": {"const": "a"}})).unwrap()["description"],
        "No item twice. Of its items, at least 1 must match the JSON Schema {\"const\":\"a\"}."
    );
    assert_eq!(
        parameter(json!({"type": "integer", "not": {"const": 0}})),
        Ok(json!({"description": "Not 0.", "type": "integer"}))
    );
    let object = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "minProperties": 1,
        "dependentRequired": {"a": ["b"]}});
    assert_eq!(
        parameter(object).unwrap()["description"],
        "At least 1 property that are not null. `a` needs `b`."
    );
}

#[test]
fn unsupported_keywords_are_not_strict() {
    for keyword in ["if", "then", "else", "dependentSchemas", "dependencies"] {
        let (path, obstacle) = obstacle(json!({"type": "object", "properties": {}, keyword: {}}));
        assert_eq!(
            (path.as_str(), obstacle.to_string()),
            (
                "properties.p",
                format!("has `{keyword}`, which strict schemas do not; leave it out")
            )
        );
    }
    let maps = [
        json!({"additionalProperties": {"type": "string"}}),
        json!({"additionalProperties": true}),
        json!({"patternProperties": {"^x": {"type": "string"}}, "additionalProperties": false}),
        json!({"properties": {}, "unevaluatedProperties": {"type": "string"}}),
    ];
    for mut map in maps {
        map["type"] = "object".into();
        assert_eq!(obstacle(map), ("properties.p".into(), Obstacle::OpenMap));
    }
    assert_eq!(
        obstacle(json!({"type": "object"})),
        ("properties.p".into(), Obstacle::Unlisted)
    );
    assert_eq!(
        obstacle(json!({"type": "object", "properties": {}})),
        ("properties.p".into(), Obstacle::Unlisted)
    );
    assert_eq!(
        parameter(json!({"type": "object", "properties": {}, "unevaluatedProperties": false})),
        Ok(closed(json!({})))
    );
}

#[test]
fn an_object_without_properties_is_not_portable() {
    let empty = json!({"type": "object", "additionalProperties": false});
    assert_eq!(parameter(empty.clone()), Ok(closed(json!({}))));
    assert_eq!(
        parameter_for(empty, &Profile::portable()),
        Err(("properties.p".into(), Obstacle::EmptyObject))
    );
    assert!(
        whole(json!({"type": "object"}), &Profile::portable()).is_ok(),
        "a tool without parameters is"
    );
}

#[test]
fn a_reason_names_parameter_path_and_fix() {
    let schema = json!({"type": "object", "properties": {"visits": {"type": "array", "items": {"$ref": "#/$defs/Visit"}}},
        "$defs": {"Visit": {"type": "object", "properties": {"date": {}}}}});
    let reason = strict(&schema, &Profile::openai()).unwrap_err();
    assert_eq!(
        (reason.path(), reason.parameter()),
        ("properties.visits.items.properties.date", Some("visits"))
    );
    assert_eq!(
        reason.to_string(),
        "parameter `visits`, at `properties.visits.items.properties.date`, takes any JSON value; give it a type"
    );
}
