use tool_core::tool;

struct Beds(u32);

/// Count the beds.
#[tool]
async fn count_beds(#[state] beds: Beds) -> u32 {
    beds.0
}

fn main() {}
