use tool_core::tool;

struct Hospital;

impl Hospital {
    /// Count the beds.
    #[tool]
    async fn count_beds(&self) -> u32 {
        12
    }
}

fn main() {}
