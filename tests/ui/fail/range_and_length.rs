use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[arg(range(1..=5), length(1..=5))] ward: String) -> String {
    ward
}

fn main() {}
