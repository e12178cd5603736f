use tool_core::toolbox;

struct Hospital;

struct Ward;

#[toolbox]
impl Hospital {
    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(&self, ward: Ward) -> u32 {
        let _ = ward;
        12
    }
}

fn main() {}
