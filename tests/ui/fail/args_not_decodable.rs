use tool_core::tool;

struct Query;

/// Count the beds.
#[tool]
async fn count_beds(#[args] query: Query) -> u32 {
    let _ = query;
    12
}

fn main() {}
