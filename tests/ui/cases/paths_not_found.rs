fn main() {}

mod crate_not_there {
    use tool_core::tool;

    /// Count the beds.
    #[tool(crate = hospital::tool_core)]
    async fn count_beds() -> u32 {
        12
    }
}

mod entry_of_plain_function {
    use tool_core::tools;

    fn count_beds() -> u32 {
        12
    }

    fn toolset() -> tool_core::ToolSet {
        tools![count_beds]
    }
}

mod serde_default_not_there {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[serde(default = "first_ward")] ward: u32) -> u32 {
        ward
    }
}

mod serde_with_not_there {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[serde(deserialize_with = "from_text")] ward: u32) -> u32 {
        ward
    }
}

mod type_listed_by_function {
    use tool_core::{tool, tools};

    /// Count the beds.
    #[tool(type = CountBeds)]
    async fn count_beds() -> u32 {
        12
    }

    fn toolset() -> tool_core::ToolSet {
        tools![count_beds]
    }
}
