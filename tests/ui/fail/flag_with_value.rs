use tool_core::tool;

/// Count the beds.
#[tool(strict = true)]
async fn count_beds() -> u32 {
    12
}

fn main() {}
