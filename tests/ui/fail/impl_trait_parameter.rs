use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(ward: impl Into<u32>) -> u32 {
    ward.into()
}

fn main() {}
