use tool_core::tool;

/// Count the beds between two wards.
#[tool]
async fn count_beds(ward: u32, #[arg(name = "ward")] other: u32) -> u32 {
    ward + other
}

fn main() {}
