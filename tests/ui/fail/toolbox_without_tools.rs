use tool_core::toolbox;

struct Hospital;

#[toolbox]
impl Hospital {
    /// Count the beds.
    fn count_beds(&self) -> u32 {
        12
    }
}

fn main() {
    Hospital.count_beds();
}
