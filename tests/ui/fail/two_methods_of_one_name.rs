use tool_core::toolbox;

struct Hospital;

#[toolbox]
impl Hospital {
    /// Count the beds.
    #[tool]
    async fn count_beds(&self) -> u32 {
        12
    }

    /// Count the beds of a ward.
    #[tool(name = "count_beds")]
    async fn count_beds_of(&self, ward: u32) -> u32 {
        ward
    }
}

fn main() {}
