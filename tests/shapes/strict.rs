//! The strict schema of each shape for a service that enforces it, and what comes back from
//! it.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};
use tool_core::{CallContext, Tool, ToolDefinition, ToolError, ToolFuture, ToolOutput, ToolSet};
use tool_openai::{Profile, chat};

use crate::exceptions::is_refused_all_the_same;
use crate::grammar::Grammar;
use crate::tools::{Caller, each_tool, judge, shapes};

fn profiles() -> [(&'static str, Profile); 3] {
    [
        ("openai", Profile::openai()),
        ("portable", Profile::portable()),
        ("azure", Profile::azure()),
    ]
}

/// A tool that is only looked at.
struct Described(ToolDefinition);

impl Tool for Described {
    fn definition(&self) -> &ToolDefinition {
        &self.0
    }

    fn call<'a>(&'a self, _: &'a CallContext, _: &'a str) -> ToolFuture<'a> {
        Box::pin(async { Err::<ToolOutput, _>(ToolError::invalid_arguments("never called")) })
    }
}

/// The set of this tool alone: all of them are more than fit into a request.
fn alone(definition: &ToolDefinition) -> ToolSet {
    ToolSet::default()
        .with_tool(Described(definition.clone()))
        .unwrap()
}

fn offered(definition: &ToolDefinition, profile: &Profile) -> chat::Tool {
    chat::tools_for(&alone(definition), profile)
        .unwrap()
        .into_vec()
        .remove(0)
}

fn strict_schema(definition: &ToolDefinition, profile: &Profile) -> Option<Value> {
    let function = offered(definition, profile).function;
    function
        .parameters
        .filter(|_| function.strict == Some(true))
}

/// Sends bodies to checkers made from what OpenAI has published. They are not part of this
/// repository: `ORACLE` says in which folder they are.
fn check(checker: &str, options: &[&str], body: &Value) {
    let Some(folder) = env::var_os("ORACLE").map(PathBuf::from) else {
        // Not `eprintln!`, which the test harness keeps to itself.
        let _ = writeln!(
            io::stderr(),
            "skipped: ORACLE is not set, so {checker} was not asked"
        );
        return;
    };
    let mut check = Command::new("python3")
        .arg(folder.join(checker))
        .args(options)
        .arg("-")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    check
        .stdin
        .take()
        .unwrap()
        .write_all(body.to_string().as_bytes())
        .unwrap();
    assert!(
        check.wait().unwrap().success(),
        "{checker} {options:?} refuses a body"
    );
}

#[test]
fn services_take_every_shape() {
    for (name, profile) in profiles() {
        let tools: Vec<chat::Tool> = shapes()
            .definitions()
            .map(|definition| offered(definition, &profile))
            .collect();
        for tools in tools.chunks(100) {
            let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": tools});
            check("strict_check.py", &["--profile", name, "--quiet"], &body);
            check(
                "openai_spec_check.py",
                &["--werror", "--kind", "request"],
                &body,
            );
        }
    }
}

/// Draws 100 strings for each tool, or as many as `SHAPES_STRINGS` says.
#[test]
fn no_tool_refuses_what_a_schema_enforcing_service_admits() {
    for (name, profile) in profiles() {
        let walks = each_tool(|definition, caller| walk(definition, caller, &profile));
        let failures: Vec<_> = walks.into_iter().filter_map(Result::err).collect();
        assert!(failures.is_empty(), "{name}: {}", failures.join("\n"));
    }
}

fn walk(definition: &ToolDefinition, caller: &Caller, profile: &Profile) -> Result<(), String> {
    let (name, shape, original) = (
        definition.name(),
        definition.description(),
        definition.parameters(),
    );
    let Some(schema) = strict_schema(definition, profile) else {
        return Ok(());
    };
    let mut grammar = Grammar::new(&schema)
        .map_err(|error| format!("{shape}: {}", error.lines().next().unwrap_or_default()))?;
    let (precise, described) = (judge(original), judge(&without_what_is_described(original)));
    let mut random = StdRng::seed_from_u64(1);
    let strings = env::var("SHAPES_STRINGS")
        .ok()
        .and_then(|strings| strings.parse().ok())
        .unwrap_or(100);
    let texts: Vec<String> = (0..strings)
        .map(|_| chat::without_nulls(&grammar.draw(&mut random), definition).into_owned())
        .collect();
    for (text, refusal) in texts.iter().zip(caller.refusals(name, &texts)) {
        let Ok(arguments) = serde_json::from_str(text) else {
            continue;
        }; // a number beyond all floats
        if let Err(error) = described.validate(&arguments) {
            return Err(format!(
                "{shape}: {text} is not what it was before: {error}"
            ));
        }
        if let Some(refusal) = refusal.filter(|refusal| {
            precise.is_valid(&arguments) && !is_refused_all_the_same(shape, refusal)
        }) {
            return Err(format!("{shape}: {text}: {refusal}"));
        }
    }
    Ok(())
}

/// A schema without what services cannot enforce and the descriptions say in words.
fn without_what_is_described(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => {
            let limit = |key: &str| {
                ["min", "max", "exclusive", "format", "pattern", "unique"]
                    .iter()
                    .any(|start| key.starts_with(start))
            };
            let kept = object
                .iter()
                .filter(|(key, value)| value.is_object() || value.is_array() || !limit(key));
            kept.map(|(key, value)| (key.clone(), without_what_is_described(value)))
                .collect::<Map<_, _>>()
                .into()
        }
        Value::Array(values) => values.iter().map(without_what_is_described).collect(),
        other => other.clone(),
    }
}

#[test]
fn a_strict_schema_still_expresses_what_the_schema_admits() {
    for (name, profile) in profiles() {
        let counts =
            each_tool(|definition, caller| still_expressible(definition, caller, &profile));
        let failures: Vec<_> = counts
            .iter()
            .filter_map(|count| count.as_ref().err())
            .map(String::as_str)
            .collect();
        assert!(failures.is_empty(), "{name}: {}", failures.join("\n"));
        let expressed: usize = counts.into_iter().flatten().sum();
        assert!(
            expressed > 1_000,
            "{name}: only {expressed} values were lawful"
        );
    }
}

fn still_expressible(
    definition: &ToolDefinition,
    caller: &Caller,
    profile: &Profile,
) -> Result<usize, String> {
    let (shape, original) = (definition.description(), definition.parameters());
    let Some(schema) = strict_schema(definition, profile) else {
        return Ok(0);
    };
    let mut grammar = Grammar::new(original).map_err(|error| format!("{shape}: {error}"))?;
    let (before, after) = (judge(original), judge(&schema));
    let (mut random, mut expressed) = (StdRng::seed_from_u64(2), 0);
    for _ in 0..50 {
        let text = grammar.draw(&mut random);
        let Ok(arguments) = serde_json::from_str::<Value>(&text) else {
            continue;
        };
        if !before.is_valid(&arguments) || caller.refusal(definition.name(), &text).is_some() {
            continue;
        }
        expressed += 1;
        let Some(full) = with_nulls(&arguments, &schema, &schema) else {
            if shape.contains("WithTwo") {
                continue; // described in open parts, and closed as one object
            }
            return Err(format!(
                "{shape}: {text} has no form that the strict schema admits: {schema}"
            ));
        };
        after
            .validate(&full)
            .map_err(|error| format!("{shape}: {full}: {error}"))?;
        let back = chat::without_nulls(&full.to_string(), definition).into_owned();
        if let Some(refusal) = caller.refusal(definition.name(), &back) {
            return Err(format!("{shape}: {text} came back as {back}: {refusal}"));
        }
    }
    Ok(expressed)
}

/// The value with `null` for what it leaves out, as the first form of a strict schema that it fits
/// has it.
fn with_nulls(value: &Value, schema: &Value, root: &Value) -> Option<Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        return with_nulls(value, root.pointer(&reference[1..])?, root);
    }
    if let Some(branches) = schema["anyOf"].as_array() {
        return branches
            .iter()
            .find_map(|branch| with_nulls(value, branch, root));
    }
    let is = |name: &str| match name {
        "string" => value.is_string(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => value.is_null(),
    };
    let names = schema["type"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![schema["type"].clone()]);
    let listed = schema["enum"]
        .as_array()
        .is_none_or(|values| values.contains(value));
    let in_range = schema["minimum"]
        .as_f64()
        .is_none_or(|least| value.as_f64().is_none_or(|number| number >= least))
        && schema["maximum"]
            .as_f64()
            .is_none_or(|most| value.as_f64().is_none_or(|number| number <= most));
    if !names.iter().filter_map(Value::as_str).any(is)
        || !listed
        || !in_range
        || schema
            .get("const")
            .is_some_and(|constant| constant != value)
    {
        return None;
    }
    match value {
        Value::Array(items) => items
            .iter()
            .map(|item| with_nulls(item, &schema["items"], root))
            .collect::<Option<Vec<_>>>()
            .map(Value::from),
        Value::Object(object) => {
            let listed = schema["properties"].as_object()?;
            if object.keys().any(|name| !listed.contains_key(name)) {
                return None;
            }
            let member = |(name, schema): (&String, &Value)| {
                Some((
                    name.clone(),
                    with_nulls(object.get(name).unwrap_or(&Value::Null), schema, root)?,
                ))
            };
            listed
                .iter()
                .map(member)
                .collect::<Option<Map<_, _>>>()
                .map(Value::from)
        }
        scalar => Some(scalar.clone()),
    }
}

/// Which shapes a service cannot be held to, and why; `--nocapture` prints each.
#[test]
fn shapes_are_strict_but_for_these_reasons() {
    let reports = |profile: &Profile| {
        let report = |definition: &ToolDefinition| {
            (
                definition.description().to_owned(),
                chat::strictness(&alone(definition), profile).remove(0),
            )
        };
        shapes().definitions().map(report).collect::<Vec<_>>()
    };
    let mut counts = BTreeMap::new();
    for (name, profile) in profiles() {
        for (shape, report) in reports(&profile) {
            let reason = report.reason().map_or_else(
                || "strict".to_owned(),
                |reason| format!("{:?}", reason.obstacle()),
            );
            *counts.entry((name, reason)).or_insert(0) += 1;
            println!("{name}: {shape}: {report}");
        }
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|((name, reason), count)| (*name, reason.as_str(), *count))
        .collect();
    if option_env!("SHAPES_SEED").is_some() {
        return; // others were drawn
    }
    assert_eq!(
        counts,
        [
            ("azure", "Anything", 1),
            ("azure", "ListOfAnything", 3),
            ("azure", "MixedTuple", 12),
            ("azure", "NullOrAbsent", 23),
            ("azure", "OpenMap", 20),
            ("azure", "SameFirstKey(\"kind\")", 1),
            ("azure", "strict", 86),
            ("openai", "Anything", 1),
            ("openai", "ListOfAnything", 3),
            ("openai", "MixedTuple", 12),
            ("openai", "NullOrAbsent", 23),
            ("openai", "OpenMap", 20),
            ("openai", "strict", 87),
            ("portable", "Anything", 1),
            ("portable", "EmptyObject", 5),
            ("portable", "ListOfAnything", 3),
            ("portable", "MixedTuple", 11),
            ("portable", "NullOrAbsent", 22),
            ("portable", "OpenMap", 20),
            ("portable", "SameFirstKey(\"kind\")", 1),
            ("portable", "strict", 83),
        ]
    );
}
