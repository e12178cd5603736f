use tool_core::tool;

/// Count the beds.
#[tool(name = "count beds")]
async fn count_beds() -> u32 {
    12
}

fn main() {}
