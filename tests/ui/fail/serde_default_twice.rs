use tool_core::tool;

fn first_ward() -> u32 {
    1
}

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[serde(default, default = "first_ward")] ward: u32) -> u32 {
    ward
}

fn main() {}
