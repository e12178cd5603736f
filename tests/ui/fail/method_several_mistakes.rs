use tool_core::toolbox;

struct Hospital;

#[toolbox]
impl Hospital {
    /// Count the beds.
    #[tool]
    async fn count_beds(&mut self, ward: &mut u32) -> u32 {
        *ward
    }

    #[tool(name = "count wards")]
    async fn count_wards(&self, (floor, wing): (u32, u32)) -> u32 {
        floor + wing
    }
}

async fn caller() -> u32 {
    Hospital.count_beds(&mut 1).await + Hospital.count_wards((1, 2)).await
}

fn main() {}
