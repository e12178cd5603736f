use tool_core::tool;

/// Count the beds.
#[tool(timeout("5s"))]
async fn count_beds() -> u32 {
    12
}

fn main() {}
