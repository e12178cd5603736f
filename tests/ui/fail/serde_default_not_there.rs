use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[serde(default = "first_ward")] ward: u32) -> u32 {
    ward
}

fn main() {}
