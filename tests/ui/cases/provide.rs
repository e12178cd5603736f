fn main() {}

mod provide_field_and_arc_of_one_type {
    use std::sync::Arc;
    use tool_core::Provide;

    #[derive(Provide)]
    struct App {
        beds: u32,
        wards: Arc<u32>,
    }
}

mod provide_of_unknown_field_option {
    use tool_core::Provide;

    #[derive(Provide)]
    struct App {
        #[provide(ignore)]
        beds: u32,
    }
}

mod provide_of_unknown_option {
    use tool_core::Provide;

    #[derive(Provide)]
    #[provide(skip)]
    struct App {
        beds: u32,
    }
}

mod provide_on_enum {
    use tool_core::Provide;

    #[derive(Provide)]
    enum App {
        Beds(u32),
    }
}

mod provide_two_fields_of_one_type {
    use tool_core::Provide;

    #[derive(Provide)]
    struct App {
        beds: u32,
        wards: u32,
    }
}

mod provide_without_options {
    use tool_core::Provide;

    #[derive(Provide)]
    #[provide]
    struct App {
        beds: u32,
    }
}
