use std::collections::HashMap;
use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[serde(flatten)] wards: HashMap<String, u32>) -> usize {
    wards.len()
}

fn main() {}
