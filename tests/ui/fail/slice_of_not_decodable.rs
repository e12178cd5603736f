use tool_core::tool;

struct Ward;

/// Count the beds of some wards.
#[tool]
async fn count_beds(wards: &[Ward]) -> usize {
    wards.len()
}

fn main() {}
