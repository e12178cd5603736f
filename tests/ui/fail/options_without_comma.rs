use tool_core::tool;

/// Count the beds.
#[tool(name = "beds" read_only)]
async fn count_beds() -> u32 {
    12
}

fn main() {}
