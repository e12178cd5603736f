use tool_core::tool;

struct Ward;

/// Count the beds of a ward.
#[tool]
async fn count_beds(ward: Ward) -> u32 {
    let _ = ward;
    12
}

fn main() {}
