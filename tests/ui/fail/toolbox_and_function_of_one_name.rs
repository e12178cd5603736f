use tool_core::{tool, toolbox, tools};

struct Hospital;

#[toolbox]
impl Hospital {
    /// Count the beds.
    #[tool]
    async fn count_beds(&self) -> u32 {
        12
    }
}

/// Count the beds of a ward.
#[tool]
async fn count_beds(ward: u32) -> u32 {
    ward
}

fn toolset() -> tool_core::ToolSet {
    tools![Hospital, count_beds].with_state(Hospital)
}

fn main() {}
