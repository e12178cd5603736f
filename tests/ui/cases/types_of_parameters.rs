fn main() {}

mod args_not_decodable {
    use tool_core::tool;

    struct Query;

    /// Count the beds.
    #[tool]
    async fn count_beds(#[args] query: Query) -> u32 {
        let _ = query;
        12
    }
}

mod borrowed_parameter_not_decodable {
    use tool_core::tool;

    struct Ward;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(ward: &Ward) -> u32 {
        let _ = ward;
        12
    }
}

mod context_of_wrong_type {
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(#[context] beds: &u32) -> u32 {
        *beds
    }
}

mod method_borrowed_parameter_not_decodable {
    use tool_core::toolbox;

    struct Hospital;

    struct Ward;

    #[toolbox]
    impl Hospital {
        /// Count the beds of a ward.
        #[tool]
        async fn count_beds(&self, ward: &Ward) -> u32 {
            let _ = ward;
            12
        }
    }
}

mod method_context_of_wrong_type {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds of a ward.
        #[tool]
        async fn count_beds(&self, #[context] ward: &u32) -> u32 {
            *ward
        }
    }
}

mod method_parameter_not_decodable {
    use tool_core::toolbox;

    struct Hospital;

    struct Ward;

    #[toolbox]
    impl Hospital {
        /// Count the beds of a ward.
        #[tool]
        async fn count_beds(&self, ward: Ward) -> u32 {
            let _ = ward;
            12
        }
    }
}

mod optional_parameter_not_decodable {
    use tool_core::tool;

    struct Ward;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(ward: Option<Ward>) -> bool {
        ward.is_some()
    }
}

mod parameter_not_decodable {
    use tool_core::tool;

    struct Ward;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(ward: Ward) -> u32 {
        let _ = ward;
        12
    }
}

mod parameter_without_schema {
    use tool_core::tool;

    #[derive(serde::Deserialize)]
    struct Ward {
        number: u32,
    }

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(ward: Ward) -> u32 {
        ward.number
    }
}

mod slice_of_not_decodable {
    use tool_core::tool;

    struct Ward;

    /// Count the beds of some wards.
    #[tool]
    async fn count_beds(wards: &[Ward]) -> usize {
        wards.len()
    }
}

mod parts_not_decodable {
    use std::collections::HashMap;
    use tool_core::tool;

    struct Ward;

    #[derive(serde::Deserialize)]
    struct Bed {
        number: u32,
    }

    /// Count the beds.
    #[tool]
    async fn count_beds(wards: Vec<Ward>) -> usize {
        wards.len()
    }

    /// Book beds.
    #[tool]
    async fn book_beds(beds: HashMap<String, Bed>, others: &[Bed], pair: (u32, Bed)) -> usize {
        beds.len() + others.len() + pair.1.number as usize
    }
}
