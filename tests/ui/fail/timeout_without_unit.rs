use tool_core::tool;

/// Count the beds.
#[tool(timeout = "5")]
async fn count_beds() -> u32 {
    12
}

fn main() {}
