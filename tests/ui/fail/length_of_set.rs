use std::collections::HashSet;
use tool_core::tool;

/// Count the beds of some wards.
#[tool]
async fn count_beds(#[arg(length(1..=5))] wards: HashSet<u32>) -> usize {
    wards.len()
}

fn main() {}
