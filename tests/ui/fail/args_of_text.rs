use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[args] ward: String) -> usize {
    ward.len()
}

fn main() {}
