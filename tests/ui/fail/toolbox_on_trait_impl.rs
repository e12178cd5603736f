use tool_core::toolbox;

struct Hospital;

trait Count {
    fn count_beds(&self) -> u32;
}

#[toolbox]
impl Count for Hospital {
    /// Count the beds.
    #[tool]
    fn count_beds(&self) -> u32 {
        12
    }
}

fn main() {
    Hospital.count_beds();
}
