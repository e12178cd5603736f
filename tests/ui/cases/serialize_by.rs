fn main() {}

mod serialize_by_alone {
    use tool_core::tool;

    /// Book a bed.
    #[tool(serialize_by)]
    async fn book_bed(ward: u32) -> u32 {
        ward
    }
}

mod serialize_by_args {
    use std::collections::HashMap;
    use tool_core::tool;

    /// Book a bed.
    #[tool(serialize_by(wards))]
    async fn book_bed(#[args] wards: HashMap<String, u32>) -> usize {
        wards.len()
    }
}

mod serialize_by_nothing {
    use tool_core::tool;

    /// Book a bed.
    #[tool(serialize_by())]
    async fn book_bed(ward: u32) -> u32 {
        ward
    }
}

mod serialize_by_state {
    use tool_core::tool;

    /// Book a bed.
    #[tool(serialize_by(beds))]
    async fn book_bed(#[state] beds: &u32, ward: u32) -> u32 {
        *beds + ward
    }
}

mod serialize_by_text {
    use tool_core::tool;

    /// Book a bed.
    #[tool(serialize_by("ward"))]
    async fn book_bed(ward: u32) -> u32 {
        ward
    }
}

mod serialize_by_twice {
    use tool_core::tool;

    /// Book a bed.
    #[tool(serialize_by(ward, ward))]
    async fn book_bed(ward: u32) -> u32 {
        ward
    }
}

mod serialize_by_unknown {
    use tool_core::tool;

    /// Book a bed.
    #[tool(serialize_by(ward, room))]
    async fn book_bed(ward: u32) -> u32 {
        ward
    }
}
