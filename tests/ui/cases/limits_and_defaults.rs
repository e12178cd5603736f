fn main() {}

mod default_outside_length {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(default = "", length(1..))] ward: &str) -> String {
        ward.to_owned()
    }
}

mod default_outside_range {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(default = 0, range(1..=5))] ward: u32) -> u32 {
        ward
    }
}

mod length_as_value {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(length = 5)] ward: String) -> String {
        ward
    }
}

mod length_not_a_range {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(length(5))] ward: String) -> String {
        ward
    }
}

mod length_without_limits {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(length())] ward: String) -> String {
        ward
    }
}

mod range_and_length {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(range(1..=5), length(1..=5))] ward: String) -> String {
        ward
    }
}

mod range_as_value {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(range = 1..=5)] ward: u32) -> u32 {
        ward
    }
}

mod range_not_a_range {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(range(1, 5))] ward: u32, #[arg(range(5))] floor: u32) -> u32 {
        ward + floor
    }
}

mod range_upside_down {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(range(5..=1))] ward: u32) -> u32 {
        ward
    }
}

mod range_without_limits {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(
        #[arg(range)] ward: u32,
        #[arg(range())] floor: u32,
        #[arg(range(..))] wing: u32,
    ) -> u32 {
        ward + floor + wing
    }
}
