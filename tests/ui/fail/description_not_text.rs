use tool_core::tool;

#[tool(description = 12)]
async fn count_beds() -> u32 {
    12
}

fn main() {}
