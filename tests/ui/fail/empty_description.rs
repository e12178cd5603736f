use tool_core::tool;

#[tool(description = "")]
async fn count_beds() -> u32 {
    12
}

fn main() {}
