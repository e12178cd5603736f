use tool_core::toolbox;

struct Hospital;

#[toolbox]
impl Hospital {
    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(&self, #[arg(range(1..=5))] ward: String) -> String {
        ward
    }
}

fn main() {}
