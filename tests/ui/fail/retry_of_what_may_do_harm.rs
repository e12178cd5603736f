use tool_core::tool;

/// Book a bed.
#[tool(retry)]
async fn book_bed() -> u32 {
    12
}

fn main() {}
