use tool_core::tool;

/// Count the beds.
#[tool(read_only = 5, open_world(false), destructive = )]
async fn count_beds() -> u32 {
    12
}

/// Book a bed.
#[tool(title = beds)]
async fn book_bed() -> u32 {
    12
}

/// Free a bed: what is denied makes no retry harmless.
#[tool(read_only = false, idempotent = false, retry)]
async fn free_bed() -> u32 {
    12
}

fn main() {}
