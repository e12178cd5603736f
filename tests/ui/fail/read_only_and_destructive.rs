use tool_core::tool;

/// Count the beds.
#[tool(read_only, destructive)]
async fn count_beds() -> u32 {
    12
}

fn main() {}
