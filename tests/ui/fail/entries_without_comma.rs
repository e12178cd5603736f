use tool_core::{tool, tools};

/// Count the beds.
#[tool]
async fn count_beds() -> u32 {
    12
}

/// Count the wards.
#[tool]
async fn count_wards() -> u32 {
    3
}

fn toolset() -> tool_core::ToolSet {
    tools![count_beds count_wards]
}

fn main() {}
