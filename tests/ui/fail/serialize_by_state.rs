use tool_core::tool;

/// Book a bed.
#[tool(serialize_by(beds))]
async fn book_bed(#[state] beds: &u32, ward: u32) -> u32 {
    *beds + ward
}

fn main() {}
