use std::collections::HashMap;
use tool_core::tool;

/// Count the beds.
#[tool]
async fn count_beds(#[args] wards: Option<HashMap<String, u32>>) -> usize {
    wards.map_or(0, |wards| wards.len())
}

fn main() {}
