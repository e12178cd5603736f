fn main() {}

mod context_by_mut_reference {
    use tool_core::{CallContext, tool};

    /// Count the beds.
    #[tool]
    async fn count_beds(#[context] cx: &mut CallContext) -> usize {
        cx.position()
    }
}

mod context_by_value {
    use tool_core::{CallContext, tool};

    /// Count the beds.
    #[tool]
    async fn count_beds(#[context] cx: CallContext) -> usize {
        cx.position()
    }
}

mod context_forgotten {
    use tool_core::{CallContext, tool};

    /// Count the beds.
    #[tool]
    async fn count_beds(cx: &CallContext) -> usize {
        cx.position()
    }
}

mod context_with_options {
    use tool_core::{CallContext, tool};

    /// Count the beds.
    #[tool]
    async fn count_beds(#[context(id)] cx: &CallContext) -> usize {
        cx.position()
    }
}

mod state_by_mut_reference {
    use tool_core::tool;

    /// Clean a bed.
    #[tool]
    async fn clean_bed(#[state] beds: &mut u32) -> u32 {
        *beds
    }
}

mod state_by_optional_reference {
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(#[state] beds: Option<&u32>) -> u32 {
        beds.copied().unwrap_or(12)
    }
}

mod state_by_static_reference {
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(#[state] beds: &'static u32) -> u32 {
        *beds
    }
}

mod state_of_impl_trait {
    use tool_core::tool;

    trait Beds: Send + Sync {
        fn count(&self) -> u32;
    }

    /// Count the beds.
    #[tool]
    async fn count_beds(#[state] beds: &impl Beds) -> u32 {
        beds.count()
    }
}

mod state_under_condition {
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(
        #[cfg(all())]
        #[state]
        beds: &u32,
    ) -> u32 {
        *beds
    }
}

mod state_with_arg {
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(
        #[state]
        #[arg(name = "number")]
        beds: &u32,
    ) -> u32 {
        *beds
    }
}

mod state_with_options {
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(#[state(shared)] beds: &u32) -> u32 {
        *beds
    }
}

mod state_with_serde {
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(
        #[state]
        #[serde(rename = "number")]
        beds: &u32,
    ) -> u32 {
        *beds
    }
}

mod two_marks {
    use tool_core::tool;

    /// Count the beds.
    #[tool]
    async fn count_beds(
        #[state]
        #[context]
        beds: &u32,
    ) -> u32 {
        *beds
    }
}
