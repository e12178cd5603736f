use tool_core::tool;

/// Count the beds.
#[tool(inline)]
async fn count_beds() -> u32 {
    12
}

fn main() {}
