fn main() {}

mod method_by_arc {
    use std::sync::Arc;
    use tool_core::toolbox;

    struct Hospital(u32);

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool]
        async fn count_beds(self: Arc<Self>) -> u32 {
            self.0
        }
    }
}

mod method_by_mut_self {
    use tool_core::toolbox;

    struct Hospital(u32);

    #[toolbox]
    impl Hospital {
        /// Add a bed.
        #[tool]
        async fn add_bed(&mut self) -> u32 {
            self.0 += 1;
            self.0
        }
    }
}

mod method_by_value {
    use tool_core::toolbox;

    struct Hospital(u32);

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool]
        async fn count_beds(self) -> u32 {
            self.0
        }
    }
}

mod method_linked {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool(linked)]
        async fn count_beds(&self) -> u32 {
            12
        }
    }
}

mod method_of_unknown_option {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool(readonly)]
        async fn count_beds(&self) -> u32 {
            12
        }

        /// Count the wards.
        #[tool(timeout = "soon")]
        async fn count_wards(&self) -> u32 {
            3
        }
    }

    async fn caller() -> u32 {
        Hospital.count_beds().await + Hospital.count_wards().await
    }

    fn toolset() -> tool_core::ToolSet {
        tool_core::tools![Hospital].with_state(Hospital)
    }
}

mod method_serde_of_type_parameter {
    use tool_core::toolbox;

    struct Hospital<T>(T);

    #[toolbox]
    impl<T: serde::de::DeserializeOwned + schemars::JsonSchema + Send + Sync + 'static> Hospital<T> {
        /// Count the beds.
        #[tool]
        async fn count_beds(&self, #[schemars(extend("examples" = [1]))] ward: Vec<T>) -> usize {
            ward.len()
        }
    }
}

mod method_several_mistakes {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool]
        async fn count_beds(&mut self, ward: &mut u32) -> u32 {
            *ward
        }

        #[tool(name = "count wards")]
        async fn count_wards(&self, (floor, wing): (u32, u32)) -> u32 {
            floor + wing
        }
    }

    async fn caller() -> u32 {
        Hospital.count_beds(&mut 1).await + Hospital.count_wards((1, 2)).await
    }
}

mod method_under_condition_with_state {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[cfg(any())]
        #[tool]
        async fn count_beds(&self, #[state] beds: &u32) -> u32 {
            *beds
        }

        /// Count the wards.
        #[tool]
        async fn count_wards(&self) -> u32 {
            3
        }
    }
}

mod method_with_crate {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool(crate = tool_core)]
        async fn count_beds(&self) -> u32 {
            12
        }
    }
}

mod method_with_options_as_value {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool = "count"]
        async fn count_beds(&self) -> u32 {
            12
        }
    }
}

mod method_with_two_marks {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool(read_only)]
        #[tool(strict)]
        async fn count_beds(&self) -> u32 {
            12
        }
    }
}

mod method_with_type {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool(type = CountBeds)]
        async fn count_beds(&self) -> u32 {
            12
        }
    }
}

mod method_with_type_parameter {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool]
        async fn count_beds<T>(&self) -> u32 {
            12
        }
    }
}

mod method_without_description {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        #[tool]
        async fn count_beds(&self) -> u32 {
            12
        }
    }
}

mod toolbox_of_unknown_option {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox(name = "hospital")]
    impl Hospital {
        /// Count the beds.
        #[tool]
        fn count_beds(&self) -> u32 {
            12
        }
    }
}

mod toolbox_on_function {
    use tool_core::toolbox;

    /// Count the beds.
    #[toolbox]
    async fn count_beds() -> u32 {
        12
    }

    async fn caller() -> u32 {
        count_beds().await
    }
}

mod toolbox_on_trait_impl {
    use tool_core::toolbox;

    struct Hospital;

    trait Count {
        fn count_beds(&self) -> u32;
    }

    #[toolbox]
    impl Count for Hospital {
        /// Count the beds.
        #[tool]
        fn count_beds(&self) -> u32 {
            12
        }
    }

    fn used() {
        Hospital.count_beds();
    }
}

mod toolbox_without_tools {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        fn count_beds(&self) -> u32 {
            12
        }
    }

    fn used() {
        Hospital.count_beds();
    }
}

mod two_methods_of_one_name {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool]
        async fn count_beds(&self) -> u32 {
            12
        }

        /// Count the beds of a ward.
        #[tool(name = "count_beds")]
        async fn count_beds_of(&self, ward: u32) -> u32 {
            ward
        }
    }
}
