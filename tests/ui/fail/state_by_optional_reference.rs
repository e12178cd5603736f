use tool_core::tool;

/// Count the beds.
#[tool]
async fn count_beds(#[state] beds: Option<&u32>) -> u32 {
    beds.copied().unwrap_or(12)
}

fn main() {}
