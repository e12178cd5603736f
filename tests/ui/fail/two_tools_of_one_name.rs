use tool_core::{tool, tools};

/// Count the beds.
#[tool]
async fn count_beds() -> u32 {
    12
}

/// Count the beds of a ward.
#[tool(name = "count_beds")]
async fn count_beds_of(ward: u32) -> u32 {
    ward
}

fn toolset() -> tool_core::ToolSet {
    tools![count_beds, count_beds_of]
}

fn main() {}
