use std::collections::HashMap;
use tool_core::tool;

/// Count the beds.
#[tool]
async fn count_beds(#[args(strict)] wards: HashMap<String, u32>) -> usize {
    wards.len()
}

fn main() {}
