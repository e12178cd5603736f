use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[schemars(range(min = 1, max = 5))] ward: u32) -> u32 {
    ward
}

fn main() {}
