use tool_core::tool;

struct NoSuchWard;

/// Find a ward.
#[tool]
async fn find_ward(number: u32) -> Result<u32, NoSuchWard> {
    if number == 0 { Err(NoSuchWard) } else { Ok(number) }
}

fn main() {}
