use tool_core::tool;

/// Count the beds.
#[tool]
async fn zähle_betten() -> u32 {
    12
}

fn main() {}
