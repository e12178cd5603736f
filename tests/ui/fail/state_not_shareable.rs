use tool_core::{tool, tools};

struct Beds(std::cell::Cell<u32>);

/// Count the beds.
#[tool]
async fn count_beds(#[state] beds: &Beds) -> u32 {
    beds.0.get()
}

fn toolset() -> tool_core::ToolSet {
    tools![count_beds].with_state(Beds(12.into()))
}

fn main() {}
