use tool_core::tool;

/// Count the beds.
#[tool]
async fn count_beds(#[state] beds: &'static u32) -> u32 {
    *beds
}

fn main() {}
