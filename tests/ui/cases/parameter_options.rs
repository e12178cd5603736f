fn main() {}

mod arg_option_of_wrong_value {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(
        #[arg(default = )] ward: u32,
        #[arg(name = floor)] level: u32,
        #[arg(description = 5)] wing: u32,
    ) -> u32 {
        ward + level + wing
    }
}

mod arg_option_without_value {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(
        #[arg(default)] ward: u32,
        #[arg(name)] floor: u32,
        #[arg(description)] wing: u32,
    ) -> u32 {
        ward + floor + wing
    }
}

mod arg_twice {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(
        #[arg(default = 1)]
        #[arg(name = "ward_number")]
        ward: u32,
    ) -> u32 {
        ward
    }
}

mod arg_under_condition {
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(#[cfg_attr(all(), arg(default = 1))] ward: u32) -> u32 {
        ward
    }
}

mod arg_with_value {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg = 1] ward: u32) -> u32 {
        ward
    }
}

mod arg_without_options {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg] ward: u32) -> u32 {
        ward
    }
}

mod empty_property_name {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(name = "")] ward: u32) -> u32 {
        ward
    }
}

mod option_with_default {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(default = Some(1))] ward: Option<u32>) -> u32 {
        ward.unwrap_or(0)
    }
}

mod pattern_without_name {
    use tool_core::tool;

    /// Count the beds of an area.
    #[tool]
    async fn count_beds((from, to): (u32, u32)) -> u32 {
        to - from
    }
}

mod repeated_arg_option {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(default = 1, default = 2)] ward: u32) -> u32 {
        ward
    }
}

mod two_parameters_of_one_property {
    use tool_core::tool;

    /// Count the beds between two wards.
    #[tool]
    async fn count_beds(ward: u32, #[arg(name = "ward")] other: u32) -> u32 {
        ward + other
    }
}

mod underscore_without_name {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(_: u32) -> u32 {
        12
    }
}

mod unknown_arg_option {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(defualt = 1)] ward: u32) -> u32 {
        ward
    }
}

mod unknown_arg_option_unlike_any {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[arg(hidden)] ward: u32) -> u32 {
        ward
    }
}
