fn main() {}

mod args_beside_property {
    use std::collections::HashMap;
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(#[args] wards: HashMap<String, u32>, floor: u32) -> usize {
        wards.len() + floor as usize
    }
}

mod args_not_an_object {
    use tool_core::tool;

    /// Count the beds of some wards.
    #[tool]
    async fn count_beds(#[args] wards: &[u32]) -> usize {
        wards.len()
    }
}

mod args_of_mut_reference {
    use std::collections::HashMap;
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(#[args] wards: &mut HashMap<String, u32>) -> usize {
        wards.len()
    }
}

mod args_of_text {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(#[args] ward: String) -> usize {
        ward.len()
    }
}

mod args_optional {
    use std::collections::HashMap;
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(#[args] wards: Option<HashMap<String, u32>>) -> usize {
        wards.map_or(0, |wards| wards.len())
    }
}

mod args_twice {
    use std::collections::HashMap;
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(
        #[args] wards: HashMap<String, u32>,
        #[args] floors: HashMap<String, u32>,
    ) -> usize {
        wards.len() + floors.len()
    }
}

mod args_under_condition {
    use std::collections::HashMap;
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(
        #[cfg(all())]
        #[args]
        wards: HashMap<String, u32>,
    ) -> usize {
        wards.len()
    }
}

mod args_with_arg {
    use std::collections::HashMap;
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(
        #[args]
        #[arg(name = "wards")]
        wards: HashMap<String, u32>,
    ) -> usize {
        wards.len()
    }
}

mod args_with_options {
    use std::collections::HashMap;
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(#[args(strict)] wards: HashMap<String, u32>) -> usize {
        wards.len()
    }
}
