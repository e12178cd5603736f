use tool_core::tool;

/// Clean a bed.
#[tool]
async fn clean_bed(#[state] beds: &mut u32) -> u32 {
    *beds
}

fn main() {}
