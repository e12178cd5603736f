fn main() {}

mod concurrency_not_a_number {
    use tool_core::tool;

    /// Count the beds.
    #[tool(concurrency = "four")]
    async fn count_beds() -> u32 {
        12
    }
}

mod concurrency_of_zero {
    use tool_core::tool;

    /// Count the beds.
    #[tool(concurrency = 0)]
    async fn count_beds() -> u32 {
        12
    }
}

mod retry_as_value {
    use tool_core::tool;

    /// Count the beds.
    #[tool(read_only, retry = 3)]
    async fn count_beds() -> u32 {
        12
    }
}

mod retry_of_unknown_option {
    use tool_core::tool;

    /// Count the beds.
    #[tool(read_only, retry(times = 3))]
    async fn count_beds() -> u32 {
        12
    }
}

mod retry_of_what_may_do_harm {
    use tool_core::tool;

    /// Book a bed.
    #[tool(retry)]
    async fn book_bed() -> u32 {
        12
    }
}

mod retry_once {
    use tool_core::tool;

    /// Count the beds.
    #[tool(read_only, retry(attempts = 1))]
    async fn count_beds() -> u32 {
        12
    }
}

mod retry_without_unit {
    use tool_core::tool;

    /// Count the beds.
    #[tool(read_only, retry(backoff = "100", max_backoff = 10))]
    async fn count_beds() -> u32 {
        12
    }
}

mod timeout_of_unknown_unit {
    use tool_core::tool;

    /// Count the beds.
    #[tool(timeout = "5 days")]
    async fn count_beds() -> u32 {
        12
    }
}

mod timeout_of_zero {
    use tool_core::tool;

    /// Count the beds.
    #[tool(timeout = "0s")]
    async fn count_beds() -> u32 {
        12
    }
}

mod timeout_without_unit {
    use tool_core::tool;

    /// Count the beds.
    #[tool(timeout = "5")]
    async fn count_beds() -> u32 {
        12
    }
}
