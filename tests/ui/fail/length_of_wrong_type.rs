use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[arg(length(1.0..=5.0))] ward: String) -> String {
    ward
}

fn main() {}
