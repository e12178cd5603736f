use tool_core::toolbox;

struct Hospital;

#[toolbox]
impl Hospital {
    /// Count the beds.
    #[tool]
    async fn count_beds<T>(&self) -> u32 {
        12
    }
}

fn main() {}
