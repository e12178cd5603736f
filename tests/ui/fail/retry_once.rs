use tool_core::tool;

/// Count the beds.
#[tool(read_only, retry(attempts = 1))]
async fn count_beds() -> u32 {
    12
}

fn main() {}
