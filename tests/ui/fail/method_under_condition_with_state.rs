use tool_core::toolbox;

struct Hospital;

#[toolbox]
impl Hospital {
    /// Count the beds.
    #[cfg(any())]
    #[tool]
    async fn count_beds(&self, #[state] beds: &u32) -> u32 {
        *beds
    }

    /// Count the wards.
    #[tool]
    async fn count_wards(&self) -> u32 {
        3
    }
}

fn main() {}
