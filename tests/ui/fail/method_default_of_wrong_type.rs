use tool_core::toolbox;

struct Hospital;

#[toolbox]
impl Hospital {
    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(&self, #[arg(default = "north")] ward: u32) -> u32 {
        ward
    }
}

fn main() {}
