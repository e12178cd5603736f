use std::collections::{BTreeMap, HashMap};
use tool_core::{CallContext, tool, tools};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct LabQuery {
    patient_id: String,
    limit: Option<u32>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(tag = "by")]
enum Search {
    Name { name: String },
    Number { number: u32 },
}

/// Take a struct.
#[tool]
async fn owned(#[args] query: LabQuery) -> usize {
    query.patient_id.len() + query.limit.map_or(0, |limit| limit as usize)
}

/// Borrow a struct, on a thread.
#[tool]
fn borrowed(#[args] query: &LabQuery) -> usize {
    query.patient_id.len()
}

/// Take it apart.
#[tool]
async fn apart(
    #[state] factor: usize,
    #[args] LabQuery {
        patient_id,
        limit: _,
    }: LabQuery,
    #[context] cx: &CallContext,
) -> usize {
    patient_id.len() * factor + cx.position()
}

/// Take an enum.
#[tool]
async fn either(#[args] search: Search) -> String {
    match search {
        Search::Name { name } => name,
        Search::Number { number } => number.to_string(),
    }
}

/// Take a map.
#[tool(inline)]
fn mapped(#[args] map: BTreeMap<String, u32>) -> u32 {
    map.values().sum()
}

/// Take any object.
#[tool]
async fn anything(#[args] mut map: HashMap<String, serde_json::Value>) -> usize {
    map.remove("secret");
    map.len()
}

/// Take a JSON object.
#[tool]
async fn json(#[args] _: serde_json::Map<String, serde_json::Value>) {}

#[test]
fn is_accepted() {
    assert_eq!(
        tools![owned, borrowed, apart, either, mapped, anything, json]
            .with_state(1_usize)
            .len(),
        7
    );
}
