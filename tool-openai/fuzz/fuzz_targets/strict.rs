//! Any schema of a foreign tool: it becomes one that is strict, which stays as it
//! is when it is made strict again, or a reason; and nulls are dropped from arguments without a
//! panic, for good.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tool_core::serde_json::{Map, Value, from_slice, json};
use tool_core::{DynamicTool, ToolDefinition, ToolSet};
use tool_openai::{Profile, chat};

#[derive(Debug, Arbitrary)]
struct Input {
    schema: Schema,
    profile: u8,
    arguments: String,
}

#[derive(Debug, Arbitrary)]
enum Schema {
    Bytes(Vec<u8>),
    Properties(Vec<Node>),
}

/// A schema in the shape of schemas, so that more than its syntax is put to the test.
#[derive(Debug, Arbitrary)]
enum Node {
    Type(u8, Vec<(u8, i8)>),
    Types(u8, u8),
    Object {
        properties: Vec<Node>,
        required: u8,
        open: Option<bool>,
        keywords: Vec<(u8, i8)>,
    },
    Map(Box<Node>),
    List(Box<Node>, Vec<(u8, i8)>),
    Tuple(Vec<Node>),
    Union(u8, Vec<Node>),
    Reference(u8, bool),
    Enum(Vec<i8>, bool),
    Const(String),
    Any(bool),
}

const TYPES: [&str; 7] = [
    "string", "number", "integer", "boolean", "object", "array", "null",
];
const UNIONS: [&str; 3] = ["anyOf", "oneOf", "allOf"];
const KEYWORDS: [&str; 14] = [
    "minimum",
    "maximum",
    "minLength",
    "maxItems",
    "format",
    "pattern",
    "default",
    "title",
    "uniqueItems",
    "not",
    "examples",
    "multipleOf",
    "description",
    "x-other",
];

fn pick(names: &'static [&'static str], number: u8) -> &'static str {
    names[usize::from(number) % names.len()]
}

impl Node {
    fn json(&self) -> Value {
        match self {
            Self::Type(kind, keywords) => with(json!({"type": pick(&TYPES, *kind)}), keywords),
            Self::Types(one, other) => json!({"type": [pick(&TYPES, *one), pick(&TYPES, *other)]}),
            Self::Object {
                properties,
                required,
                open,
                keywords,
            } => {
                let object = object(properties, *required, open.map(Value::Bool));
                with(object, keywords)
            }
            Self::Map(of) => json!({"type": "object", "additionalProperties": of.json()}),
            Self::List(of, keywords) => {
                with(json!({"type": "array", "items": of.json()}), keywords)
            }
            Self::Tuple(of) => {
                json!({"type": "array", "prefixItems": all(of), "minItems": of.len(), "maxItems": of.len()})
            }
            Self::Union(kind, of) => json!({pick(&UNIONS, *kind): all(of)}),
            Self::Reference(to, described) => {
                let mut reference = json!({"$ref": format!("#/$defs/d{}", to % 4)});
                if *described {
                    reference["description"] = "that one".into();
                }
                reference
            }
            Self::Enum(values, null) => {
                let values: Vec<Value> = values
                    .iter()
                    .map(|value| json!(value.to_string()))
                    .chain(null.then_some(Value::Null))
                    .collect();
                json!({"type": "string", "enum": values})
            }
            Self::Const(value) => json!({"type": "string", "const": value}),
            Self::Any(any) => json!(any),
        }
    }
}

fn all(nodes: &[Node]) -> Vec<Value> {
    nodes.iter().map(Node::json).collect()
}

fn with(mut schema: Value, keywords: &[(u8, i8)]) -> Value {
    for (keyword, value) in keywords {
        let keyword = pick(&KEYWORDS, *keyword);
        schema[keyword] = match keyword {
            "format" | "title" | "description" | "x-other" | "pattern" => {
                json!(format!("w{value}"))
            }
            "uniqueItems" => json!(value % 2 == 0),
            "not" => json!({"const": value}),
            _ => json!(value),
        };
    }
    schema
}

fn object(nodes: &[Node], required: u8, open: Option<Value>) -> Value {
    let properties: Map<String, Value> = nodes
        .iter()
        .enumerate()
        .map(|(place, node)| (format!("p{place}"), node.json()))
        .collect();
    let required: Vec<String> = (0..nodes.len().min(8))
        .filter(|place| required >> place & 1 == 1)
        .map(|place| format!("p{place}"))
        .collect();
    let mut object = json!({"type": "object", "properties": properties, "required": required});
    if let Some(open) = open {
        object["additionalProperties"] = open;
    }
    object
}

fuzz_target!(|input: Input| {
    let schema = match &input.schema {
        Schema::Bytes(bytes) => from_slice(bytes).unwrap_or_default(),
        Schema::Properties(nodes) => {
            let mut root = object(nodes, input.profile, None);
            let definitions = nodes
                .iter()
                .take(4)
                .enumerate()
                .map(|(place, node)| (format!("d{place}"), node.json()));
            root["$defs"] = Value::Object(definitions.collect());
            root
        }
    };
    let Ok(definition) = ToolDefinition::new("t", "", schema.clone()) else {
        return;
    };
    let nulls = chat::without_nulls(&input.arguments, &definition).into_owned();
    assert_eq!(chat::without_nulls(&nulls, &definition), nulls);

    let profile = [
        Profile::openai(),
        Profile::azure(),
        Profile::portable(),
        Profile::openai().with_lengths(),
    ];
    let profile = &profile[usize::from(input.profile % 4)];
    let Some(first) = offered(schema, profile) else {
        return;
    };
    if first["strict"] == true {
        let again =
            offered(first["parameters"].clone(), profile).expect("what is strict can be offered");
        assert_eq!(first, again);
    }
});

fn offered(schema: Value, profile: &Profile) -> Option<Value> {
    let tool = DynamicTool::new("t", "", schema, |_| async { Ok::<_, String>(()) }).ok()?;
    let tools = chat::tools_for(&ToolSet::<()>::default().with_tool(tool).ok()?, profile).ok()?;
    tool_core::serde_json::to_value(&tools.first()?.function).ok()
}
