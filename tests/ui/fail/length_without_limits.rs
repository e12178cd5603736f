use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[arg(length())] ward: String) -> String {
    ward
}

fn main() {}
