use tool_core::serde_json::to_string;
use tool_core::{DynamicTool, tool, tools};

use super::*;

fn dynamic(name: &str, parameters: Value) -> DynamicTool {
    DynamicTool::new(name, "", parameters, |_| async { Ok::<_, String>(()) }).unwrap()
}

fn with_parameter(schema: Value) -> ToolSet {
    let parameters =
        json!({"type": "object", "properties": {"p": schema}, "additionalProperties": false});
    ToolSet::default()
        .with_tool(dynamic("t", parameters))
        .unwrap()
}

#[test]
fn more_tools_than_a_service_takes_are_counted() {
    let many = |count: usize| {
        let tools = (0..count).map(|n| dynamic(&format!("t{n}"), json!({"type": "object"})));
        tools.fold(ToolSet::default(), |set, tool| set.with_tool(tool).unwrap())
    };
    assert_eq!(
        tools_for(&many(128), &Profile::openai()).unwrap().len(),
        128
    );
    assert_eq!(
        super::tools(&many(129)),
        Err(InvalidToolsError::TooMany { count: 129 })
    );
}

#[test]
fn a_tool_that_cannot_be_strict_is_offered_with_a_reason() {
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let tools = with_parameter(map.clone())
        .with_tool(dynamic("other", json!({"type": "object"})))
        .unwrap();
    let offered = super::tools(&tools).unwrap();
    assert_eq!(
        (offered[0].function.strict, offered[1].function.strict),
        (None, Some(true))
    );
    assert_eq!(
        offered[0].function.parameters.as_ref().unwrap()["properties"]["p"],
        map
    );
    let report = strictness(&tools, &Profile::openai());
    assert_eq!(
        report[0].reason().map(NotStrictError::path),
        Some("properties.p")
    );
    assert_eq!(
        (report[1].tool(), report[1].is_strict(), report[1].reason()),
        ("other", true, None)
    );
    assert!(
        strictness(&tools, &Profile::openai().without_strict())
            .iter()
            .all(|tool| !tool.is_strict() && tool.reason().is_none())
    );
}

#[test]
fn a_tool_that_must_be_strict_and_cannot_be_is_left_out() {
    /// Set tags.
    #[tool(strict)]
    fn tag(tags: Vec<std::collections::BTreeMap<String, u8>>) -> usize {
        tags.len()
    }

    let offered = super::tools(&tools![tag]).unwrap();
    assert!(offered.is_empty());
    assert_eq!(
        offered.left_out()[0].to_string(),
        "tool `tag` must be strict, but parameter `tags`, at `properties.tags.items`, is a map with keys of any name; take a list of \
         entries, or list the names in `properties`; or do without `strict`"
    );
    assert!(
        tools_for(&tools![tag], &Profile::openai().without_strict())
            .unwrap()
            .left_out()
            .is_empty(),
        "the program chose to send none"
    );
}

#[test]
fn one_refused_tool_does_not_affect_the_others() {
    let tools = ["first", "a.b", "last"].map(|name| dynamic(name, json!({"type": "object"})));
    let root = dynamic("root", json!({"type": "object", "anyOf": [{}]}));
    let set = tools
        .into_iter()
        .chain([root])
        .fold(ToolSet::default(), |set, tool| set.with_tool(tool).unwrap());
    for profile in [Profile::openai(), Profile::gemini()] {
        let offered = tools_for(&set, &profile).unwrap();
        let names: Vec<&str> = offered
            .iter()
            .map(|tool| tool.function.name.as_str())
            .collect();
        assert_eq!(names, ["first", "last"]);
        assert!(matches!(
            offered.left_out(),
            [InvalidToolsError::Name { tool }, InvalidToolsError::RootKeyword { .. }] if tool == "a.b"
        ));
    }
}

#[test]
fn gemini_reads_no_list_of_types() {
    let schema = json!({"type": ["string", "null"], "enum": ["a", null]});
    let offered = tools_for(&with_parameter(schema), &Profile::gemini()).unwrap();
    let function = &offered[0].function;
    assert_eq!(
        function.parameters.as_ref().unwrap()["properties"]["p"],
        json!({"type": "string", "enum": ["a"], "nullable": true})
    );
    assert_eq!(function.strict, None);
}

#[test]
fn null_and_left_out_are_kept_apart() {
    use tool_core::serde::Deserialize;

    #[derive(Deserialize, tool_core::schemars::JsonSchema)]
    #[serde(crate = "tool_core::serde")]
    #[schemars(crate = "tool_core::schemars")]
    struct Query {
        limit: Option<u8>,
    }

    /// Known to the macro.
    #[tool]
    fn plain(limit: Option<u8>, #[serde(default)] more: u8) -> u8 {
        limit.unwrap_or(more)
    }
    /// Decoded by a function that may take `null` for anything.
    #[tool]
    fn decoded(#[serde(deserialize_with = "twice")] limit: Option<Option<u8>>) -> bool {
        limit.is_some()
    }
    /// Of a type that the macro does not see.
    #[tool]
    fn whole(#[args] query: Query) -> u8 {
        query.limit.unwrap_or_default()
    }
    /// Of a type that the macro does not see.
    #[tool]
    fn inside(query: Query) -> u8 {
        query.limit.unwrap_or_default()
    }
    fn twice<'de, D: tool_core::serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<u8>>, D::Error> {
        Option::deserialize(deserializer).map(Some)
    }

    let set = tools![plain, decoded, whole, inside];
    let reports = strictness(&set, &Profile::openai());
    let made: Vec<_> = reports
        .iter()
        .map(|report| {
            report
                .reason()
                .map(|reason| (reason.path(), reason.obstacle()))
        })
        .collect();
    let both = &crate::chat::Obstacle::NullOrAbsent;
    assert_eq!(
        made,
        [
            None,
            Some(("properties.limit", both)),
            Some(("properties.limit", both)),
            Some(("properties.query.properties.limit", both)),
        ]
    );
    assert_eq!(
        reports[2].to_string(),
        "tool `whole` is not strict: parameter `limit` may be left out and may be `null`, which may mean two things, and a strict \
         schema has only `null`; require it, or take `null` out of its type"
    );
    let remote = |schema| strictness(&with_parameter(schema), &Profile::openai()).remove(0);
    assert!(!remote(json!({"type": ["string", "null"]})).is_strict());
    assert!(!remote(json!({"type": ["integer", "null"], "default": 10})).is_strict());
    assert!(remote(json!({"type": "integer", "default": 10})).is_strict());
}

#[test]
fn a_non_strict_schema_uses_only_common_keywords() {
    let plain = Profile::openai().without_strict();
    let parameter = |schema: Value| {
        let mut function = tools_for(&with_parameter(schema), &plain)
            .unwrap()
            .into_vec()
            .remove(0)
            .function;
        function.parameters.as_mut().unwrap()["properties"]["p"].take()
    };
    assert_eq!(
        parameter(json!({"oneOf": [{"type": "null"}]})),
        json!({"anyOf": [{"type": "null"}]})
    );
    assert_eq!(
        parameter(json!({"oneOf": [true], "anyOf": [false]})),
        json!({"anyOf": [false], "allOf": [{"anyOf": [true]}]})
    );
    assert_eq!(
        parameter(json!({"type": "array"})),
        json!({"type": "array", "items": {}})
    );
    assert_eq!(
        parameter(json!({"type": ["array", "null"], "items": true})),
        json!({"type": ["array", "null"], "items": {}})
    );
    let places = json!([{"type": "string"}, {"type": "integer"}]);
    let tuple = json!({"type": "array", "prefixItems": places, "items": {"anyOf": places}});
    assert_eq!(
        parameter(json!({"type": "array", "prefixItems": places})),
        tuple
    );
    assert_eq!(parameter(json!({"type": "array", "items": places})), tuple);
    let titled = json!({"title": "P", "type": "object", "properties": {"title": {"title": "T", "type": "integer", "format": "int64"}}});
    assert_eq!(
        parameter(titled),
        json!({"type": "object", "properties": {"title": {"type": "integer"}}})
    );
    let bare = ToolSet::default()
        .with_tool(dynamic("t", json!({"type": "object"})))
        .unwrap();
    assert_eq!(
        tools_for(&bare, &plain).unwrap()[0].function.parameters,
        Some(json!({"type": "object", "properties": {}}))
    );
}

#[test]
fn a_tool_that_does_not_check_its_arguments_keeps_its_schema() {
    let parameters = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let tools = ToolSet::default()
        .with_tool(dynamic("t", parameters.clone()))
        .unwrap();
    let offered = tools_for(&tools, &Profile::openai().without_strict()).unwrap();
    assert_eq!(offered[0].function.parameters, Some(parameters));
}

#[test]
fn a_long_description_is_reported_and_sent_whole() {
    let parameters = json!({"type": "object"});
    let of = |length: usize| {
        DynamicTool::new("t", "é".repeat(length), parameters.clone(), |_| async {
            Ok::<_, String>(())
        })
        .unwrap()
    };
    let report = |length: usize| {
        strictness(
            &ToolSet::default().with_tool(of(length)).unwrap(),
            &Profile::openai(),
        )
        .remove(0)
    };
    assert_eq!(report(1024).warnings(), []);
    assert_eq!(
        report(1025).warnings(),
        [Warning::LongDescription { characters: 1025 }]
    );
    let offered = super::tools(&ToolSet::default().with_tool(of(1025)).unwrap()).unwrap();
    assert_eq!(offered[0].function.description.chars().count(), 1025);
}

#[test]
fn variants_that_some_services_confuse_are_reported() {
    let form = |name: &str| json!({"type": "object", "properties": {"x": {"type": name}}, "required": ["x"]});
    let tools = with_parameter(json!({"anyOf": [form("string"), form("integer")]}));
    let report = strictness(&tools, &Profile::openai()).remove(0);
    assert_eq!(
        report.warnings(),
        [Warning::SameFirstKey {
            path: "properties.p".into(),
            property: "x".into()
        }]
    );
    assert_eq!(
        strictness(&tools, &Profile::portable())[0].to_string(),
        "tool `t` is not strict: parameter `p` has forms that begin with the same property `x`; begin each with a constant of its own"
    );
}

#[test]
fn the_same_tools_have_the_same_bytes() {
    let tools = || {
        with_parameter(
            json!({"oneOf": [{"type": "string", "default": 1, "format": "uri"}, {"$ref": "#/properties/p/oneOf/0"}]}),
        )
    };
    assert_eq!(
        to_string(&super::tools(&tools()).unwrap()).unwrap(),
        to_string(&super::tools(&tools()).unwrap()).unwrap()
    );
}
