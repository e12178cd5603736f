use tool_core::tools;

struct Hospital;

impl Hospital {
    /// Count the beds.
    fn count_beds(&self) -> u32 {
        12
    }
}

fn toolset() -> tool_core::ToolSet {
    tools![Hospital].with_state(Hospital)
}

fn main() {}
