use tool_core::{toolbox, tools};

struct Hospital;

struct Beds(u32);

#[toolbox]
impl Hospital {
    /// Count the beds.
    #[tool]
    async fn count_beds(&self, #[state] beds: &Beds) -> u32 {
        beds.0
    }
}

fn toolset() -> tool_core::ToolSet {
    tools![Hospital].with_state(Hospital)
}

fn main() {}
