fn main() {}

mod description_not_text {
    use tool_core::tool;

    #[tool(description = 12)]
    async fn count_beds() -> u32 {
        12
    }
}

mod empty_description {
    use tool_core::tool;

    #[tool(description = "")]
    async fn count_beds() -> u32 {
        12
    }
}

mod empty_tool_name {
    use tool_core::tool;

    /// Count the beds.
    #[tool(name = "")]
    async fn count_beds() -> u32 {
        12
    }
}

mod function_name_not_ascii {
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn zähle_betten() -> u32 {
        12
    }
}

mod no_description {
    use tool_core::tool;

    #[tool]
    async fn count_beds() -> u32 {
        12
    }
}

mod tool_name_too_long {
    use tool_core::tool;

    /// Count the beds.
    #[tool(name = "count_the_beds_of_the_ward_that_are_neither_taken_nor_being_cleaned")]
    async fn count_beds() -> u32 {
        12
    }
}

mod tool_name_with_space {
    use tool_core::tool;

    /// Count the beds.
    #[tool(name = "count beds")]
    async fn count_beds() -> u32 {
        12
    }
}
