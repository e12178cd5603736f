use tool_core::tool;

/// Echo a text.
#[tool]
async fn echo<'a>(text: &'a str) -> &'a str {
    text
}

fn main() {}
