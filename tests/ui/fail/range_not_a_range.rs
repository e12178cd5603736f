use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[arg(range(1, 5))] ward: u32, #[arg(range(5))] floor: u32) -> u32 {
    ward + floor
}

fn main() {}
