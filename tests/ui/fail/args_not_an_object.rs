use tool_core::tool;

/// Count the beds of some wards.
#[tool]
async fn count_beds(#[args] wards: &[u32]) -> usize {
    wards.len()
}

fn main() {}
