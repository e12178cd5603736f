use tool_core::{tool, tools};

struct Beds(u32);

/// Count the beds.
#[tool]
async fn count_beds(#[state] beds: &Beds) -> u32 {
    beds.0
}

fn dispatcher() -> tool_core::Dispatcher {
    tool_core::Dispatcher::new(tools![count_beds])
}

fn main() {}
