use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(
    #[arg(default = 1)]
    #[arg(name = "ward_number")]
    ward: u32,
) -> u32 {
    ward
}

fn main() {}
