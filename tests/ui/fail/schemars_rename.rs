use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[schemars(rename = "number")] ward: u32) -> u32 {
    ward
}

fn main() {}
