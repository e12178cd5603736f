//! What the definitions of the patient tools cost, in tokens of `o200k_base`.

use patient_summary::{Latency, PatientDb, patient_tools};
use serde_json::Value;
use tool_core::{ToolSet, tool, tools};
use tool_openai::{Profile, chat};

/// The four tools; no query is made, so there is no database.
async fn patients() -> ToolSet {
    patient_tools(PatientDb::open("none", Latency::default()).await)
}

fn offered(tools: &ToolSet, profile: &Profile) -> Value {
    serde_json::to_value(chat::tools_for(tools, profile).unwrap()).unwrap()
}

fn tokens(tools: &Value) -> usize {
    let encoder = tiktoken_rs::o200k_base().unwrap();
    encoder.encode_ordinary(&tools.to_string()).len()
}

#[tokio::test]
async fn the_definitions_keep_every_description_within_219_tokens() {
    let patients = patients().await;
    let tools = offered(&patients, &Profile::openai().without_strict());
    for tool in tools.as_array().unwrap() {
        assert_ne!(tool["function"]["description"], Value::Null, "{tool}");
        let properties = tool["function"]["parameters"]["properties"].as_object();
        for property in properties.unwrap().values() {
            assert_ne!(property["description"], Value::Null, "{tool}");
        }
    }
    assert!(tokens(&tools) <= 219, "{} tokens: {tools}", tokens(&tools));

    // What the service enforces has to say more.
    let enforced = offered(&patients, &Profile::openai());
    assert!(
        tokens(&enforced) <= 261,
        "{} tokens: {enforced}",
        tokens(&enforced)
    );
}

#[tokio::test]
async fn an_optional_limit_of_32_bits_takes_six_tokens_more_at_most() {
    /// Latest lab results.
    #[tool(read_only)]
    fn get_recent_lab_results(
        /// Patient ID
        patient_id: &str,
        /// How many.
        limit: Option<u32>,
    ) -> String {
        format!("{limit:?} of {patient_id}")
    }

    let others = patients().await;
    let others = others.filter(|tool| tool.name() != "get_recent_lab_results");
    let tools = others.merge(tools![get_recent_lab_results]).unwrap();
    let tools = offered(&tools, &Profile::openai().without_strict());
    assert_eq!(tools.as_array().unwrap().len(), 4);
    assert!(tokens(&tools) <= 225, "{} tokens: {tools}", tokens(&tools));
}
