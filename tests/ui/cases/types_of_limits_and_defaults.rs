fn main() {}

mod default_not_shown {
    use tool_core::tool;

    #[derive(Clone, serde::Deserialize, schemars::JsonSchema)]
    struct Ward(u32);

    const FIRST: Ward = Ward(1);

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(default = FIRST)] ward: Ward) -> u32 {
        ward.0
    }
}

mod default_of_wrong_type {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(default = "first")] ward: u32) -> u32 {
        ward
    }
}

mod default_out_of_type {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(default = -1)] ward: u32) -> u32 {
        ward
    }
}

mod length_of_number {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(length(1..=5))] ward: u32) -> u32 {
        ward
    }
}

mod length_of_optional_number {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(length(1..=5))] ward: Option<u32>) -> Option<u32> {
        ward
    }
}

mod length_of_set {
    use std::collections::HashSet;
    use tool_core::tool;

    /// Count the beds of some wards.
    #[tool]
    async fn count_beds(#[arg(length(1..=5))] wards: HashSet<u32>) -> usize {
        wards.len()
    }
}

mod length_of_wrong_type {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(length(1.0..=5.0))] ward: String) -> String {
        ward
    }
}

mod method_default_of_wrong_type {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds of a ward.
        #[tool]
        async fn count_beds(&self, #[arg(default = "north")] ward: u32) -> u32 {
            ward
        }
    }
}

mod method_range_of_text {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds of a ward.
        #[tool]
        async fn count_beds(&self, #[arg(range(1..=5))] ward: String) -> String {
            ward
        }
    }
}

mod range_of_text {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(range(1..=5))] ward: String) -> String {
        ward
    }
}

mod range_of_wrong_type {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(range(0.5..=5.0))] ward: u32) -> u32 {
        ward
    }
}

mod serde_default_of_wrong_type {
    use tool_core::tool;

    struct Ward;

    fn first_ward() -> String {
        String::new()
    }

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[serde(default = "first_ward")] ward: u32) -> u32 {
        ward
    }
}
