use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[arg(default = )] ward: u32, #[arg(name = floor)] level: u32, #[arg(description = 5)] wing: u32) -> u32 {
    ward + level + wing
}

fn main() {}
