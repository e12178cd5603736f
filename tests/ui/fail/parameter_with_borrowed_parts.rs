use tool_core::tool;

/// Count the beds of wards.
#[tool]
async fn count_beds(
    wards: Vec<&str>,
    pairs: &[(&'static str, u32)],
    more: Option<Vec<&str>>,
) -> usize {
    wards.len() + pairs.len() + more.map_or(0, |more| more.len())
}

fn main() {}
