use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[arg(default)] ward: u32, #[arg(name)] floor: u32, #[arg(description)] wing: u32) -> u32 {
    ward + floor + wing
}

fn main() {}
