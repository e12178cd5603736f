use tool_core::tools;

struct CountBeds;

fn toolset() -> tool_core::ToolSet {
    tools![CountBeds]
}

fn main() {}
