use tool_core::{Provide, tool, tools};

#[derive(Provide)]
struct App {
    beds: u32,
    #[provide(skip)]
    name: String,
}

/// Say the name.
#[tool]
async fn name(#[state] name: &String) -> String {
    name.clone()
}

fn toolset(app: App) -> tool_core::ToolSet {
    tools![name].with_state(app)
}

fn main() {}
