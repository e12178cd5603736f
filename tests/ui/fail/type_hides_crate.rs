use tool_core::tool;

/// Decode a value.
#[tool]
fn serde_json(text: String) -> Option<u64> {
    serde_json::from_str(&text).ok()
}

/// Decode another.
#[tool(type = DecodeTool)]
fn serde(text: String) -> bool {
    text == std::any::type_name::<serde::de::value::Error>()
}

/// Say it in full.
#[tool]
fn schemars(text: ::schemars::Schema) -> String {
    format!("{text:?}")
}

fn main() {}
