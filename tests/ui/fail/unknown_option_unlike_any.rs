use tool_core::tool;

/// Count the beds.
#[tool(colour = "red")]
async fn count_beds() -> u32 {
    12
}

fn main() {}
