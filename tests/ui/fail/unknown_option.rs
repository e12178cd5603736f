use tool_core::tool;

#[tool(desc = "Count the beds.")]
async fn count_beds() -> u32 {
    12
}

fn main() {}
