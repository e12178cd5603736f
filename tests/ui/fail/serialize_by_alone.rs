use tool_core::tool;

/// Book a bed.
#[tool(serialize_by)]
async fn book_bed(ward: u32) -> u32 {
    ward
}

fn main() {}
