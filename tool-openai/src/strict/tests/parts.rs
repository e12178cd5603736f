use super::*;

fn with_defs(parameter: Value, definitions: Value) -> Value {
    json!({"type": "object", "properties": {"p": parameter}, "required": ["p"], "additionalProperties": false, "$defs": definitions})
}

fn strict_with(parameter: Value, definitions: Value) -> Result<Value, (String, Obstacle)> {
    whole(with_defs(parameter, definitions), &Profile::openai())
}

#[test]
fn a_reference_has_no_sibling_keywords() {
    let visit = closed(json!({"at": {"type": "string"}}));
    let definitions = json!({"Visit": visit, "Unused": {"type": "string"}});
    let described = strict_with(
        json!({"description": "The last.", "$ref": "#/$defs/Visit"}),
        definitions.clone(),
    )
    .unwrap();
    assert_eq!(
        described["properties"]["p"],
        json!({"description": "The last.", "anyOf": [{"$ref": "#/$defs/Visit"}]})
    );
    assert_eq!(
        described["$defs"],
        json!({"Visit": visit}),
        "what nothing refers to is gone"
    );

    let default = strict_with(
        json!({"default": {"at": "now"}, "$ref": "#/$defs/Visit"}),
        definitions.clone(),
    )
    .unwrap();
    assert_eq!(
        default["properties"]["p"]["description"],
        "Default: {\"at\":\"now\"}."
    );
    let idiom = strict_with(
        json!({"description": "D", "allOf": [{"$ref": "#/$defs/Visit"}], "nullable": true}),
        definitions,
    )
    .unwrap();
    assert_eq!(
        idiom["properties"]["p"],
        json!({"description": "D", "anyOf": [{"$ref": "#/$defs/Visit"}, {"type": "null"}]})
    );
}

#[test]
fn recursion_is_kept() {
    let tree = json!({"type": "object", "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#"}}}});
    let strict = whole(tree, &Profile::openai()).unwrap();
    assert_eq!(
        strict["properties"]["children"],
        json!({"type": ["array", "null"], "items": {"$ref": "#"}})
    );

    let chain = json!({"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Chain"}, {"type": "null"}]}}, "required": ["next"]});
    let strict = strict_with(json!({"$ref": "#/$defs/Chain"}), json!({ "Chain": chain })).unwrap();
    assert_eq!(
        strict["$defs"]["Chain"]["properties"]["next"],
        json!({"anyOf": [{"$ref": "#/$defs/Chain"}, {"type": "null"}]})
    );
    assert_eq!(strict["$defs"]["Chain"]["required"], json!(["next"]));
}

#[test]
fn references_to_other_places_become_definitions() {
    let schema = json!({"type": "object", "properties": {
        "a": {"type": "string"}, "b": {"$ref": "#/properties/a"}, "c": {"$ref": "#/definitions/C%20c"}, "d": {"$ref": "#/definitions/C c"},
    }, "definitions": {"C c": {"type": "integer"}}, "required": ["a", "b", "c", "d"]});
    let strict = whole(schema, &Profile::openai()).unwrap();
    assert_eq!(
        strict["properties"]["b"],
        json!({"$ref": "#/$defs/properties_a"})
    );
    assert_eq!(strict["properties"]["c"], strict["properties"]["d"]);
    assert_eq!(
        strict["$defs"],
        json!({"C_c": {"type": "integer"}, "properties_a": {"type": "string"}})
    );
}

#[test]
fn definitions_have_unique_ascii_names() {
    let definitions = json!({"薬": {"type": "null"}, "患": {"type": "string"}, "__2": {"type": "integer"}, "": {"type": "boolean"}});
    let reference = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
    let list =
        json!({"anyOf": [reference("薬"), reference("患"), reference("__2"), reference("")]});
    let strict = strict_with(list, definitions).unwrap();
    assert_eq!(
        strict["$defs"],
        json!({"_": {"type": "null"}, "__2": {"type": "string"}, "__2_2": {"type": "integer"}, "__3": {"type": "boolean"}})
    );
}

#[test]
fn unresolved_references_are_not_strict() {
    for reference in ["#/$defs/None", "https://example.org/schema", "other.json"] {
        let (path, obstacle) = obstacle(json!({ "$ref": reference }));
        assert_eq!(
            (path.as_str(), obstacle),
            ("properties.p", Obstacle::Reference(reference.into()))
        );
    }
    for definitions in [
        json!({"A": {"$ref": "#/$defs/A"}}),
        json!({"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}),
        json!({"A": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/A"}]}}),
        json!({"A": {"allOf": [{"type": "string"}, {"$ref": "#/$defs/A"}]}}),
    ] {
        let (_, obstacle) = strict_with(json!({"$ref": "#/$defs/A"}), definitions).unwrap_err();
        assert!(
            matches!(obstacle, Obstacle::EndlessReference(_)),
            "{obstacle:?}"
        );
    }
}

#[test]
fn one_of_becomes_any_of() {
    let forms = json!([
        closed(json!({"a": {"type": "string"}})),
        closed(json!({"b": {"type": "string"}}))
    ]);
    assert_eq!(
        parameter(json!({ "oneOf": forms })),
        Ok(json!({ "anyOf": forms }))
    );
    assert_eq!(
        parameter(json!({"oneOf": [{"type": "string"}, false]})),
        Ok(json!({"type": "string"}))
    );
    assert_eq!(
        obstacle(json!({"anyOf": []})),
        ("properties.p".into(), Obstacle::Nothing)
    );
    assert_eq!(
        obstacle(json!({"anyOf": [{"type": "string"}, {}]})),
        ("properties.p.anyOf[1]".into(), Obstacle::Anything)
    );
}

#[test]
fn documented_constants_become_one_enum() {
    let variants = json!({"description": "Order.", "oneOf": [
        {"type": "string", "const": "up", "description": "From the smallest."}, {"type": "string", "enum": ["down", "any"]},
    ]});
    assert_eq!(
        parameter(variants),
        Ok(
            json!({"description": "Order.\nup: From the smallest.", "type": "string", "enum": ["up", "down", "any"]})
        )
    );
    let optional =
        json!({"anyOf": [{"const": 1, "description": "One."}, {"const": 2}, {"type": "null"}]});
    assert_eq!(
        parameter(optional),
        Ok(json!({"description": "1: One.", "type": ["integer", "null"], "enum": [1, 2, null]}))
    );
}

#[test]
fn parts_are_merged() {
    let both = json!({"allOf": [
        {"type": "object", "properties": {"a": {"type": "number", "minimum": 1}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "integer", "minimum": 2, "maximum": 9}, "b": {"type": "string"}}, "required": ["b"]},
    ]});
    assert_eq!(
        parameter(both),
        Ok(closed(
            json!({"a": {"type": "integer", "minimum": 2, "maximum": 9}, "b": {"type": "string"}})
        ))
    );
    let clash =
        json!({"allOf": [{"type": "string", "pattern": "a"}, {"type": "string", "pattern": "b"}]});
    assert_eq!(
        obstacle(clash),
        ("properties.p".into(), Obstacle::Parts("pattern".into()))
    );
    assert_eq!(
        obstacle(json!({"allOf": [{"type": "string"}, {"type": "integer"}]})),
        ("properties.p".into(), Obstacle::Nothing)
    );
    let pair = json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "string"}], "maxItems": 2});
    let tuple = json!({"allOf": [pair, {"items": {"pattern": "^a"}}]});
    assert_eq!(
        obstacle(tuple),
        ("properties.p".into(), Obstacle::Parts("items".into())),
        "which are not those after the places"
    );
    let beside = json!({"type": "object", "properties": {"due": {"type": "string"}}, "required": ["due"], "oneOf": [
        {"type": "object", "properties": {"cash": {"type": "string"}}, "required": ["cash"]},
        {"type": "object", "properties": {"card": {"type": "string"}}, "required": ["card"]},
    ]});
    assert_eq!(
        parameter(beside),
        Ok(json!({"anyOf": [
            closed(json!({"due": {"type": "string"}, "cash": {"type": "string"}})),
            closed(json!({"due": {"type": "string"}, "card": {"type": "string"}})),
        ]}))
    );
    let no_room = json!({"allOf": [closed(json!({"a": {"type": "string"}})), closed(json!({"b": {"type": "string"}}))]});
    assert_eq!(
        obstacle(no_room),
        ("properties.p".into(), Obstacle::Nothing)
    );
}

#[test]
fn variants_begin_with_their_distinguishing_key() {
    let form = |kind: &str| json!({"type": "object", "properties": {"x": {"type": "string"}, "kind": {"const": kind}}, "required": ["x", "kind"]});
    let strict = parameter(json!({"oneOf": [form("a"), form("b")]})).unwrap();
    assert_eq!(strict["anyOf"][0]["required"], json!(["kind", "x"]));

    let alike = json!({"anyOf": [closed(json!({"x": {"type": "string"}})), closed(json!({"x": {"type": "integer"}}))]});
    assert_eq!(parameter(alike.clone()), Ok(alike.clone()));
    for profile in [Profile::portable(), Profile::azure()] {
        assert_eq!(
            parameter_for(alike.clone(), &profile),
            Err(("properties.p".into(), Obstacle::SameFirstKey("x".into())))
        );
    }
}
