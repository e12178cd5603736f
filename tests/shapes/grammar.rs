//! Strings drawn from a schema by an engine for constrained decoding, as a model behind it would
//! send them.

use std::env;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob};
use llguidance::{Matcher, ParserFactory};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tool_core::ToolDefinition;

use crate::exceptions::is_refused_all_the_same;
use crate::tools::{Caller, each_tool, judge};

/// The grammar of a schema, walked at random, a byte a step.
pub(crate) struct Grammar {
    matcher: Matcher,
    end: u32,
}

impl Grammar {
    /// Fails for a schema that the engine cannot follow.
    pub(crate) fn new(schema: &Value) -> Result<Self, String> {
        let bytes = ApproximateTokEnv::single_byte_env();
        let mut factory = ParserFactory::new_simple(&bytes).map_err(|error| error.to_string())?;
        factory.quiet();
        let mut schema = schema.clone();
        drop_least_minimum(&mut schema);
        schema["x-guidance"] = json!({ "whitespace_flexible": false });
        let parser = factory
            .create_parser(TopLevelGrammar::from_json_schema(schema))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            matcher: Matcher::new(Ok(parser)),
            end: bytes.tok_trie().eos_token(),
        })
    }

    /// One string of the language.
    pub(crate) fn draw(&mut self, random: &mut StdRng) -> String {
        let mut text = Vec::new();
        let calm = random.random_range(8..200); // after this many bytes, prefer what closes things
        self.matcher.reset().unwrap();
        while !self.matcher.is_stopped() {
            let forced = self.matcher.compute_ff_bytes();
            let bytes = match forced.is_empty() {
                false => forced,
                true => {
                    let mask = self.matcher.compute_mask_or_eos().unwrap();
                    let closing = text.len() > calm || random.random_bool(0.25);
                    if mask.is_allowed(self.end) && (closing || random.random_bool(0.5)) {
                        break;
                    }
                    match choose(&mask, closing, random) {
                        Some(byte) => vec![byte],
                        None => break,
                    }
                }
            };
            let tokens: Vec<u32> = bytes.iter().copied().map(u32::from).collect();
            self.matcher.consume_tokens(&tokens).unwrap();
            text.extend(bytes);
        }
        String::from_utf8(text).unwrap()
    }
}

/// The engine negates a minimum as an integer of 64 bits, and the least of these has no opposite.
/// What it draws below the minimum is not lawful.
fn drop_least_minimum(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            const LEAST: f64 = -9_223_372_036_854_775_808.0;
            if object
                .get("minimum")
                .and_then(Value::as_f64)
                .is_some_and(|minimum| minimum <= LEAST)
            {
                object.remove("minimum");
            }
            object.values_mut().for_each(drop_least_minimum);
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(drop_least_minimum),
        _ => {}
    }
}

/// A byte among those allowed, most often a plain one.
fn choose(allowed: &SimpleVob, closing: bool, random: &mut StdRng) -> Option<u8> {
    let is_allowed = |byte: &u8| allowed.is_allowed(u32::from(*byte));
    let closer = b"\"}],"
        .iter()
        .copied()
        .find(is_allowed)
        .filter(|_| closing);
    closer
        .or_else(|| {
            (0..10)
                .map(|_| random.random_range(b' '..=b'~'))
                .find(is_allowed)
        })
        .or_else(|| {
            let allowed: Vec<u8> = (0..=u8::MAX).filter(is_allowed).collect();
            (!allowed.is_empty()).then(|| allowed[random.random_range(0..allowed.len())])
        })
}

/// Draws 200 strings for each tool, or as many as `SHAPES_STRINGS` says.
#[test]
fn no_tool_refuses_what_an_engine_draws_from_its_schema() {
    let strings = env::var("SHAPES_STRINGS")
        .ok()
        .and_then(|strings| strings.parse().ok())
        .unwrap_or(200);
    let walks = each_tool(|definition, caller| walk(definition, caller, strings));
    let failures: Vec<_> = walks.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn walk(definition: &ToolDefinition, caller: &Caller, strings: usize) -> Result<(), String> {
    let (name, shape, schema) = (
        definition.name(),
        definition.description(),
        definition.parameters(),
    );
    let mut grammar = Grammar::new(schema)
        .map_err(|error| format!("{shape}: {}", error.lines().next().unwrap_or_default()))?;
    let (judge, mut random) = (judge(schema), StdRng::seed_from_u64(1));
    let texts: Vec<String> = (0..strings).map(|_| grammar.draw(&mut random)).collect();
    for (text, refusal) in texts.iter().zip(caller.refusals(name, &texts)) {
        let Some(refusal) = refusal else { continue };
        // The engine lets every February have 29 days, and numbers be beyond all floats: the judge
        // does not.
        let lawful = serde_json::from_str(text).is_ok_and(|arguments| judge.is_valid(&arguments));
        if lawful && !is_refused_all_the_same(shape, &refusal) {
            return Err(format!("{shape}: {text}: {refusal}"));
        }
    }
    Ok(())
}
