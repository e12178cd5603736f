fn main() {}

mod flag_with_value {
    use tool_core::tool;

    /// Count the beds.
    #[tool(strict = true)]
    async fn count_beds() -> u32 {
        12
    }
}

mod flag_without_comma {
    use tool_core::tool;

    /// Count the beds.
    #[tool(read_only name = "beds")]
    async fn count_beds() -> u32 {
        12
    }
}

mod hint_of_wrong_value {
    use tool_core::tool;

    /// Count the beds.
    #[tool(read_only = 5, open_world(false), destructive = )]
    async fn count_beds() -> u32 {
        12
    }

    /// Book a bed.
    #[tool(title = beds)]
    async fn book_bed() -> u32 {
        12
    }

    /// Free a bed: what is denied makes no retry harmless.
    #[tool(read_only = false, idempotent = false, retry)]
    async fn free_bed() -> u32 {
        12
    }
}

mod inline_async {
    use tool_core::tool;

    /// Count the beds.
    #[tool(inline)]
    async fn count_beds() -> u32 {
        12
    }
}

mod option_in_parentheses {
    use tool_core::tool;

    /// Count the beds.
    #[tool(timeout("5s"))]
    async fn count_beds() -> u32 {
        12
    }
}

mod option_not_a_name {
    use tool_core::tool;

    /// Count the beds.
    #[tool("beds")]
    async fn count_beds() -> u32 {
        12
    }
}

mod option_of_wrong_value {
    use tool_core::tool;

    /// Count the beds.
    #[tool(name = beds)]
    async fn count_beds() -> u32 {
        12
    }

    /// Count the wards.
    #[tool(timeout = 5)]
    async fn count_wards() -> u32 {
        3
    }

    #[tool(description = )]
    async fn count_chairs() -> u32 {
        30
    }

    /// Count the doors.
    #[tool(crate = "tool_core")]
    async fn count_doors() -> u32 {
        5
    }
}

mod option_without_value {
    use tool_core::tool;

    /// Count the beds.
    #[tool(name)]
    async fn count_beds() -> u32 {
        12
    }

    /// Count the wards.
    #[tool(timeout)]
    async fn count_wards() -> u32 {
        3
    }

    #[tool(description)]
    async fn count_chairs() -> u32 {
        30
    }

    /// Count the doors.
    #[tool(crate)]
    async fn count_doors() -> u32 {
        5
    }
}

mod options_without_comma {
    use tool_core::tool;

    /// Count the beds.
    #[tool(name = "beds" read_only)]
    async fn count_beds() -> u32 {
        12
    }
}

mod read_only_and_destructive {
    use tool_core::tool;

    /// Count the beds.
    #[tool(read_only, destructive)]
    async fn count_beds() -> u32 {
        12
    }
}

mod repeated_option {
    use tool_core::tool;

    /// Count the beds.
    #[tool(name = "beds", name = "count")]
    async fn count_beds() -> u32 {
        12
    }
}

mod type_as_text {
    use tool_core::tool;

    /// Count the beds.
    #[tool(type = "CountBeds")]
    async fn count_beds() -> u32 {
        12
    }
}

mod type_hides_crate {
    use tool_core::tool;

    /// Decode a value.
    #[tool]
    fn serde_json(text: String) -> Option<u64> {
        serde_json::from_str(&text).ok()
    }

    /// Decode another.
    #[tool(type = DecodeTool)]
    fn serde(text: String) -> bool {
        text == std::any::type_name::<serde::de::value::Error>()
    }

    /// Say it in full.
    #[tool]
    fn schemars(text: ::schemars::Schema) -> String {
        format!("{text:?}")
    }
}

mod unknown_option {
    use tool_core::tool;

    #[tool(desc = "Count the beds.")]
    async fn count_beds() -> u32 {
        12
    }
}

mod unknown_option_unlike_any {
    use tool_core::tool;

    /// Count the beds.
    #[tool(colour = "red")]
    async fn count_beds() -> u32 {
        12
    }
}
