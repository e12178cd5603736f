use tool_core::tool;

/// List the beds.
#[tool(structured)]
async fn list_beds() -> impl tool_core::serde::Serialize {
    [1, 2]
}

fn main() {}
