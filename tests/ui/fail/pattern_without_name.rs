use tool_core::tool;

/// Count the beds of an area.
#[tool]
async fn count_beds((from, to): (u32, u32)) -> u32 {
    to - from
}

fn main() {}
