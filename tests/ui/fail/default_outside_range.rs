use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[arg(default = 0, range(1..=5))] ward: u32) -> u32 {
    ward
}

fn main() {}
