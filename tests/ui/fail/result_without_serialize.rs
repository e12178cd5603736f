use tool_core::tool;

struct Ward;

/// Find a ward.
#[tool]
async fn find_ward(number: u32) -> Ward {
    let _ = number;
    Ward
}

fn main() {}
