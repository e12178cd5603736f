use tool_core::tools;

fn count_beds() -> u32 {
    12
}

fn toolset() -> tool_core::ToolSet {
    tools![count_beds]
}

fn main() {}
