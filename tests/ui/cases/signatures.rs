fn main() {}

mod const_fn {
    use tool_core::tool;

    /// Double a number.
    #[tool]
    const fn double(number: u64) -> u64 {
        number * 2
    }
}

mod const_parameter {
    use tool_core::tool;

    /// Roll dice.
    #[tool]
    async fn roll<const N: usize>(sides: u32) -> Vec<u32> {
        vec![sides; N]
    }
}

mod extern_fn {
    use tool_core::tool;

    /// Double a number.
    #[tool]
    extern "C" fn double(number: u64) -> u64 {
        number * 2
    }
}

mod function_without_body {
    use tool_core::tool;

    trait Hospital {
        /// Count the beds.
        #[tool]
        fn count_beds() -> u32;
    }
}

mod impl_trait_parameter {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(ward: impl Into<u32>) -> u32 {
        ward.into()
    }
}

mod lifetime_parameter {
    use tool_core::tool;

    /// Echo a text.
    #[tool]
    async fn echo<'a>(text: &'a str) -> &'a str {
        text
    }
}

mod mut_reference {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(ward: &mut u32) -> u32 {
        *ward
    }
}

mod not_a_function {
    use tool_core::tool;

    /// A patient.
    #[tool]
    struct Patient {
        name: String,
    }
}

mod parameter_with_borrowed_parts {
    use tool_core::tool;

    /// Count the beds of wards.
    #[tool]
    async fn count_beds(
        wards: Vec<&str>,
        pairs: &[(&'static str, u32)],
        more: Option<Vec<&str>>,
    ) -> usize {
        wards.len() + pairs.len() + more.map_or(0, |more| more.len())
    }
}

mod self_receiver {
    use tool_core::tool;

    struct Hospital;

    impl Hospital {
        /// Count the beds.
        #[tool]
        async fn count_beds(&self) -> u32 {
            12
        }
    }
}

mod several_mistakes {
    use tool_core::tool;

    /// Book a bed.
    #[tool(desc = "Book a bed.", timeout = "soon")]
    async fn book_bed(
        #[arg(default = 1, default = 2)] ward: u32,
        (from, to): (u32, u32),
        #[state(shared)] beds: &u32,
    ) -> u32 {
        ward + from + to + beds
    }

    async fn caller() -> u32 {
        let _ = tool_core::tools![book_bed].len();
        book_bed(1, (2, 3), &4).await
    }
}

mod several_rules_broken {
    use tool_core::tool;

    #[tool(name = "book a bed")]
    async unsafe fn book_bed<T>(
        ward: &mut u32,
        #[arg(name = "ward")] place: &'static str,
        #[arg(default = None)] bed: Option<u32>,
    ) -> u32 {
        let _ = (place, bed);
        *ward
    }

    async fn caller() -> u32 {
        unsafe { book_bed::<u8>(&mut 1, "left", None).await }
    }
}

mod static_reference {
    use tool_core::tool;

    /// Count the beds of a ward.
    #[tool]
    async fn count_beds(ward: &'static str) -> usize {
        ward.len()
    }
}

mod structured_impl_trait {
    use tool_core::tool;

    /// List the beds.
    #[tool(structured)]
    async fn list_beds() -> impl tool_core::serde::Serialize {
        [1, 2]
    }
}

mod type_parameter {
    use tool_core::tool;

    /// Echo a value.
    #[tool]
    async fn echo<T: serde::Serialize>(value: T) -> T {
        value
    }
}

mod unsafe_fn {
    use tool_core::tool;

    /// Read a register.
    #[tool]
    unsafe fn read_register(number: u8) -> u8 {
        number
    }
}

mod where_clause {
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds() -> u32
    where
        u32: Copy,
    {
        12
    }
}

mod every_mistake_at_once {
    use tool_core::tool;

    /// Book a bed.
    #[tool(timeout = 5, serialize_by(place))]
    async unsafe fn book_bed<T>(
        ward: &mut u32,
        (place, floor): (u32, u32),
        #[arg(rnge(1..2))] bed: u32,
        #[arg(default = "a")] name: Option<String>,
        other: impl Copy,
        #[state] state: &mut String,
        names: Vec<&str>,
        #[arg(name = "ward")] second: u32,
    ) -> u32 {
        let _ = (other, state, names, name);
        *ward + place + floor + bed + second
    }
}

/// As `async_recursion` leaves it.
mod lifetimes_of_another_attribute {
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    fn count_beds<'life0, 'recursion>(
        ward: &'life0 str,
    ) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = usize> + Send + 'recursion>>
    where
        'life0: 'recursion,
    {
        Box::pin(async move { ward.len() })
    }
}
