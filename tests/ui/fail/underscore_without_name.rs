use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(_: u32) -> u32 {
    12
}

fn main() {}
