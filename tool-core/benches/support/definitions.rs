//! Fifty definitions, built and read.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tool_core::{ToolSet, tool, tools};

use super::Result;

/// The tools, with the attribute; and the names of the tools.
macro_rules! fifty {
    ($($name:ident)*) => {
        $(
            /// Look up a patient: name, date of birth, ward and allergies.
            #[tool(read_only)]
            async fn $name(
                /// The patient's number, as in `P-00123`.
                patient_id: String,
                /// How many allergies to list; all, unless given.
                limit: Option<u32>,
            ) -> String {
                format!("{patient_id} {limit:?}")
            }
        )*

        /// Builds the set.
        pub(crate) fn by_attribute() -> ToolSet {
            tools![$($name),*].with_state(())
        }

        const NAMES: [&str; 50] = [$(stringify!($name)),*];
    };
}
fifty! {
    tool_00 tool_01 tool_02 tool_03 tool_04 tool_05 tool_06 tool_07 tool_08 tool_09
    tool_10 tool_11 tool_12 tool_13 tool_14 tool_15 tool_16 tool_17 tool_18 tool_19
    tool_20 tool_21 tool_22 tool_23 tool_24 tool_25 tool_26 tool_27 tool_28 tool_29
    tool_30 tool_31 tool_32 tool_33 tool_34 tool_35 tool_36 tool_37 tool_38 tool_39
    tool_40 tool_41 tool_42 tool_43 tool_44 tool_45 tool_46 tool_47 tool_48 tool_49
}

/// Reads every definition: a sum of lengths, so that none is left out.
pub(crate) fn read(tools: &ToolSet) -> usize {
    let length = |parameters: &Value| parameters.as_object().map_or(0, Map::len);
    tools
        .definitions()
        .map(|tool| tool.name().len() + tool.description().len() + length(tool.parameters()))
        .sum()
}

/// A definition by hand: the schema is a text in the program.
#[derive(Serialize)]
pub(crate) struct ByHand {
    name: &'static str,
    description: &'static str,
    parameters: Box<RawValue>,
}

/// Builds them.
pub(crate) fn by_hand() -> Result<Vec<ByHand>> {
    const DESCRIPTION: &str = "Look up a patient: name, date of birth, ward and allergies.";
    const PARAMETERS: &str = r#"{"type":"object","properties":{"patient_id":{"type":"string","description":"The patient's number, as in `P-00123`."},"limit":{"type":["integer","null"],"format":"uint32","minimum":0,"description":"How many allergies to list; all, unless given."}},"required":["patient_id"],"additionalProperties":false}"#;
    let define = |name| {
        Ok(ByHand {
            name,
            description: DESCRIPTION,
            parameters: RawValue::from_string(PARAMETERS.to_owned())?,
        })
    };
    NAMES.into_iter().map(define).collect()
}

/// Reads every one of them.
pub(crate) fn read_by_hand(definitions: &[ByHand]) -> usize {
    definitions
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + tool.parameters.get().len())
        .sum()
}
