use tool_core::tool;

trait Hospital {
    /// Count the beds.
    #[tool]
    fn count_beds() -> u32;
}

fn main() {}
