use tool_core::tool;

struct Ward;

/// Find a ward.
#[tool]
fn find_ward(number: u32) -> Result<Ward, String> {
    Err(format!("there is no ward {number}"))
}

fn main() {}
