use tool_core::{tool, tools};

struct Beds(u32);

/// Count the beds.
#[tool]
async fn count_beds(#[state] beds: &Beds) -> u32 {
    beds.0
}

fn toolset() -> tool_core::ToolSet {
    tools![count_beds].with_state("no beds here")
}

fn main() {}
