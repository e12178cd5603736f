use std::collections::HashMap;
use tool_core::tool;

/// Count the beds.
#[tool]
async fn count_beds(#[args] wards: HashMap<String, u32>, #[args] floors: HashMap<String, u32>) -> usize {
    wards.len() + floors.len()
}

fn main() {}
