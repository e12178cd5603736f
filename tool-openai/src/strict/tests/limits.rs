use super::*;

fn properties(count: usize) -> Value {
    let properties = (0..count).map(|n| (format!("p{n}"), json!({"type": "null"})));
    json!({"type": "object", "properties": properties.collect::<serde_json::Map<_, _>>()})
}

fn nested(levels: usize) -> Value {
    (1..levels).fold(closed(json!({"x": {"type": "string"}})), |inner, _| {
        closed(json!({ "x": inner }))
    })
}

fn refused(schema: Value, profile: &Profile) -> Option<(&'static str, usize, usize)> {
    match whole(schema, profile) {
        Ok(_) => None,
        Err((_, Obstacle::TooMany { what, count, limit })) => Some((what, count, limit)),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn properties_are_counted() {
    for (profile, limit) in [(Profile::openai(), 5_000), (Profile::azure(), 100)] {
        assert_eq!(refused(properties(limit), &profile), None);
        assert_eq!(
            refused(properties(limit + 1), &profile),
            Some(("properties", limit + 1, limit))
        );
    }
}

#[test]
fn levels_are_counted() {
    for (profile, limit) in [(Profile::openai(), 10), (Profile::azure(), 5)] {
        assert_eq!(refused(nested(limit), &profile), None);
        assert_eq!(
            refused(nested(limit + 1), &profile),
            Some(("levels of objects", limit + 1, limit))
        );
    }
}

#[test]
fn levels_are_counted_through_references_without_cycles() {
    let chain = |levels: usize| {
        let link = |n: usize| {
            (
                format!("D{n}"),
                closed(json!({"x": {"$ref": format!("#/$defs/D{}", n + 1)}})),
            )
        };
        let mut definitions: serde_json::Map<_, _> = (0..levels - 2).map(link).collect();
        definitions.insert(
            format!("D{}", levels - 2),
            closed(json!({"x": {"type": "string"}})),
        );
        json!({"type": "object", "properties": {"p": {"$ref": "#/$defs/D0"}}, "required": ["p"], "$defs": definitions})
    };
    assert_eq!(refused(chain(10), &Profile::openai()), None);
    assert_eq!(
        refused(chain(11), &Profile::openai()),
        Some(("levels of objects", 11, 10))
    );
    let circle = json!({"type": "object", "properties": {"p": {"$ref": "#/$defs/A"}}, "required": ["p"], "$defs": {
        "A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}},
        "B": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}},
    }});
    assert_eq!(refused(circle, &Profile::openai()), None);
}

#[test]
fn values_are_counted_in_all_enums_together() {
    let numbers = |from: usize, to: usize| json!({"enum": (from..to).collect::<Vec<_>>()});
    let two = |count: usize| json!({"type": "object", "properties": {"a": numbers(0, 200), "b": numbers(0, count - 200)}, "required": ["a", "b"]});
    for (profile, limit) in [(Profile::openai(), 1_000), (Profile::azure(), 500)] {
        assert_eq!(refused(two(limit), &profile), None);
        assert_eq!(
            refused(two(limit + 1), &profile),
            Some(("values in enums", limit + 1, limit))
        );
    }
}

#[test]
fn characters_of_names_and_constants_are_counted() {
    let named = |length: usize| json!({"type": "object", "properties": {"é".repeat(length - 1): {"const": "ü"}}, "required": ["é".repeat(length - 1)]});
    for (profile, limit) in [(Profile::openai(), 120_000), (Profile::azure(), 15_000)] {
        assert_eq!(refused(named(limit), &profile), None);
        assert_eq!(
            refused(named(limit + 1), &profile),
            Some(("characters in names and constants", limit + 1, limit))
        );
    }
}

#[test]
fn characters_of_one_long_enum_are_counted() {
    let of = |values: usize, length: usize| {
        let mut names: Vec<String> = (0..values - 1).map(|n| format!("{n:05}")).collect();
        names.push("x".repeat(length - 5 * (values - 1)));
        json!({"type": "object", "properties": {"p": {"enum": names}}, "required": ["p"]})
    };
    for (profile, limit) in [(Profile::openai(), 15_000), (Profile::azure(), 7_500)] {
        assert_eq!(refused(of(251, limit), &profile), None);
        assert_eq!(
            refused(of(251, limit + 1), &profile),
            Some(("characters in one long enum", limit + 1, limit))
        );
    }
    assert_eq!(
        refused(of(250, 16_000), &Profile::openai()),
        None,
        "a shorter enum may be longer"
    );
}
