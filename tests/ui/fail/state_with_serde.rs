use tool_core::tool;

/// Count the beds.
#[tool]
async fn count_beds(
    #[state]
    #[serde(rename = "number")]
    beds: &u32,
) -> u32 {
    *beds
}

fn main() {}
