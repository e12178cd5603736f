use tool_core::toolbox;

struct Hospital;

#[toolbox(name = "hospital")]
impl Hospital {
    /// Count the beds.
    #[tool]
    fn count_beds(&self) -> u32 {
        12
    }
}

fn main() {}
