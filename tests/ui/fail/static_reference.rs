use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(ward: &'static str) -> usize {
    ward.len()
}

fn main() {}
