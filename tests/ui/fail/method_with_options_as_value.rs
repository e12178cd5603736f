use tool_core::toolbox;

struct Hospital;

#[toolbox]
impl Hospital {
    /// Count the beds.
    #[tool = "count"]
    async fn count_beds(&self) -> u32 {
        12
    }
}

fn main() {}
