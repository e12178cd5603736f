use std::collections::HashMap;
use tool_core::tool;

/// Count the beds.
#[tool]
async fn count_beds(#[args] wards: HashMap<String, u32>, floor: u32) -> usize {
    wards.len() + floor as usize
}

fn main() {}
