use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[arg(length(1..=5))] ward: Option<u32>) -> Option<u32> {
    ward
}

fn main() {}
