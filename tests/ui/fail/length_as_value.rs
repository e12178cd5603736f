use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[arg(length = 5)] ward: String) -> String {
    ward
}

fn main() {}
