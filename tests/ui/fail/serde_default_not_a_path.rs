use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[serde(default = "1 + 1")] ward: u32) -> u32 {
    ward
}

fn main() {}
