use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(
    #[serde(rename = "number")]
    #[arg(name = "room")]
    ward: u32,
) -> u32 {
    ward
}

fn main() {}
