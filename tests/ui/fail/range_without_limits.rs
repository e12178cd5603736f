use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[arg(range)] ward: u32, #[arg(range())] floor: u32, #[arg(range(..))] wing: u32) -> u32 {
    ward + floor + wing
}

fn main() {}
