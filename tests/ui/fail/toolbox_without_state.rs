use tool_core::{toolbox, tools};

struct Hospital;

#[toolbox]
impl Hospital {
    /// Count the beds.
    #[tool]
    async fn count_beds(&self) -> u32 {
        12
    }
}

fn toolset() -> tool_core::ToolSet {
    tools![Hospital]
}

fn main() {}
