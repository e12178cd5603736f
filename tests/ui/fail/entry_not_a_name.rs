use tool_core::tools;

fn toolset() -> tool_core::ToolSet {
    tools!["count_beds"]
}

fn main() {}
