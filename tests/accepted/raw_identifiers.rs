use tool_core::{tool, tools};

/// Find the type of a thing.
#[tool]
async fn r#type(r#struct: String, r#in: Option<u32>) -> String {
    format!("{} {:?}", r#struct, r#in)
}

/// Move a thing.
#[tool]
fn r#move(#[arg(default = 1)] r#for: u32) -> u32 {
    r#for
}

#[test]
fn is_accepted() {
    let tools = tools![r#type, r#move];
    let properties = &tools
        .definition("type")
        .expect("named without r#")
        .parameters()["properties"];
    assert!(properties["struct"].is_object() && properties["in"].is_object());
    assert!(tools.definition("move").is_some());
}
