use tool_core::tool;

/// Count the beds.
#[tool(read_only, retry(times = 3))]
async fn count_beds() -> u32 {
    12
}

fn main() {}
