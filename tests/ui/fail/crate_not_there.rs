use tool_core::tool;

/// Count the beds.
#[tool(crate = hospital::tool_core)]
async fn count_beds() -> u32 {
    12
}

fn main() {}
