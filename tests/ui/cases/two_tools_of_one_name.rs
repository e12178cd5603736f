fn main() {}

mod toolbox_and_function_of_one_name {
    use tool_core::{tool, toolbox, tools};

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool]
        async fn count_beds(&self) -> u32 {
            12
        }
    }

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(ward: u32) -> u32 {
        ward
    }

    fn toolset() -> tool_core::ToolSet {
        tools![Hospital, count_beds].with_state(Hospital)
    }
}

mod two_tools_of_one_name {
    use tool_core::{tool, tools};

    /// Count the beds.
    #[tool]
    async fn count_beds() -> u32 {
        12
    }

    /// Count the beds of a ward.
    #[tool(name = "count_beds")]
    async fn count_beds_of(ward: u32) -> u32 {
        ward
    }

    fn toolset() -> tool_core::ToolSet {
        tools![count_beds, count_beds_of]
    }
}
