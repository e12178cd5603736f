use tool_core::tool;

/// Count the beds.
#[tool(read_only, retry(backoff = "100", max_backoff = 10))]
async fn count_beds() -> u32 {
    12
}

fn main() {}
