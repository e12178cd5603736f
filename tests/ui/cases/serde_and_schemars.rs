fn main() {}

mod schemars_range {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[schemars(range(min = 1, max = 5))] ward: u32) -> u32 {
        ward
    }
}

mod schemars_rename {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[schemars(rename = "number")] ward: u32) -> u32 {
        ward
    }
}

mod schemars_skip {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[schemars(skip)] ward: u32) -> u32 {
        ward
    }
}

mod serde_alias_of_nothing {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[serde(alias = "")] ward: u32) -> u32 {
        ward
    }
}

mod serde_alias_of_other_property {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[serde(alias = "room")] ward: u32, room: u32) -> u32 {
        ward + room
    }
}

mod serde_default_and_default {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(
        #[serde(default)]
        #[arg(default = 5)]
        ward: u32,
    ) -> u32 {
        ward
    }
}

mod serde_default_not_a_path {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[serde(default = "1 + 1")] ward: u32) -> u32 {
        ward
    }
}

mod serde_default_twice {
    use tool_core::tool;

    fn first_ward() -> u32 {
        1
    }

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[serde(default, default = "first_ward")] ward: u32) -> u32 {
        ward
    }
}

mod serde_flatten {
    use std::collections::HashMap;
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[serde(flatten)] wards: HashMap<String, u32>) -> usize {
        wards.len()
    }
}

mod serde_rename_and_name {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(
        #[serde(rename = "number")]
        #[arg(name = "room")]
        ward: u32,
    ) -> u32 {
        ward
    }
}

mod serde_rename_not_text {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[serde(rename(deserialize = "number"))] ward: u32) -> u32 {
        ward
    }
}

mod serde_skip {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[serde(skip)] ward: u32) -> u32 {
        ward
    }
}

mod serde_without_options {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[serde] ward: u32) -> u32 {
        ward
    }
}
