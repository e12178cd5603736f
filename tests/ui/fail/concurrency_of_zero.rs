use tool_core::tool;

/// Count the beds.
#[tool(concurrency = 0)]
async fn count_beds() -> u32 {
    12
}

fn main() {}
