use std::collections::HashMap;
use tool_core::tool;

/// Book a bed.
#[tool(serialize_by(wards))]
async fn book_bed(#[args] wards: HashMap<String, u32>) -> usize {
    wards.len()
}

fn main() {}
