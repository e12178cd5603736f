use tool_core::{tool, tools};

/// Count the beds.
#[tool(type = CountBeds)]
async fn count_beds() -> u32 {
    12
}

fn toolset() -> tool_core::ToolSet {
    tools![count_beds]
}

fn main() {}
