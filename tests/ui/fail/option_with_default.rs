use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[arg(default = Some(1))] ward: Option<u32>) -> u32 {
    ward.unwrap_or(0)
}

fn main() {}
