fn main() {}

/// A dispatcher runs calls when it is bound to what its tools ask for.
mod dispatcher_without_state {
    use tool_core::{Dispatcher, tool, tools};

    struct Session;

    /// Log a user out.
    #[tool]
    async fn log_out(#[state] session: &Session) {
        let _ = session;
    }

    fn used() {
        let shared: Dispatcher<Session> = Dispatcher::new(tools![log_out]);
        let _ = shared.dispatch(Vec::new());
        let _ = Dispatcher::new(tools![log_out]).with_state("nobody");
        let _ = shared.with_state(String::new());
    }
}

mod entry_not_a_tool {
    use tool_core::tools;

    struct CountBeds;

    fn toolset() -> tool_core::ToolSet {
        tools![CountBeds]
    }
}

mod method_state_missing {
    use tool_core::{toolbox, tools};

    struct Hospital;

    struct Beds(u32);

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool]
        async fn count_beds(&self, #[state] beds: &Beds) -> u32 {
            beds.0
        }
    }

    fn toolset() -> tool_core::ToolSet {
        tools![Hospital].with_state(Hospital)
    }
}

mod provide_missing {
    use tool_core::{Provide, tool, tools};

    #[derive(Provide)]
    struct App {
        beds: u32,
        #[provide(skip)]
        name: String,
    }

    /// Say the name.
    #[tool]
    async fn name(#[state] name: &String) -> String {
        name.clone()
    }

    fn toolset(app: App) -> tool_core::ToolSet {
        tools![name].with_state(app)
    }
}

mod state_forgotten {
    use tool_core::{tool, tools};

    struct Beds(u32);

    /// Count the beds.
    #[tool]
    async fn count_beds(#[state] beds: &Beds) -> u32 {
        beds.0
    }

    fn dispatcher() -> tool_core::Dispatcher {
        tool_core::Dispatcher::new(tools![count_beds])
    }
}

mod state_missing {
    use tool_core::{tool, tools};

    struct Beds(u32);

    /// Count the beds.
    #[tool]
    async fn count_beds(#[state] beds: &Beds) -> u32 {
        beds.0
    }

    fn toolset() -> tool_core::ToolSet {
        tools![count_beds].with_state("no beds here")
    }
}

mod state_not_cloneable {
    use tool_core::tool;

    struct Beds(u32);

    /// Count the beds.
    #[tool]
    async fn count_beds(#[state] beds: Beds) -> u32 {
        beds.0
    }
}

mod toolbox_forgotten {
    use tool_core::tools;

    struct Hospital;

    impl Hospital {
        /// Count the beds.
        fn count_beds(&self) -> u32 {
            12
        }
    }

    fn toolset() -> tool_core::ToolSet {
        tools![Hospital].with_state(Hospital)
    }
}

mod toolbox_of_other_state {
    use tool_core::{toolbox, tools};

    struct Hospital;

    struct Clinic;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool]
        async fn count_beds(&self) -> u32 {
            12
        }
    }

    fn toolset() -> tool_core::ToolSet {
        tools![Hospital].with_state(Clinic)
    }
}

mod toolbox_without_state {
    use tool_core::{toolbox, tools};

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool]
        async fn count_beds(&self) -> u32 {
            12
        }
    }

    fn toolset() -> tool_core::ToolSet {
        tools![Hospital]
    }
}

mod two_toolboxes_of_one_type {
    use tool_core::toolbox;

    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool]
        fn count_beds(&self) -> u32 {
            12
        }
    }

    #[toolbox]
    impl Hospital {
        /// Count the doors.
        #[tool]
        fn count_doors(&self) -> u32 {
            3
        }
    }
}

mod state_of_foreign_types {
    use tool_core::{Dispatcher, tool, tools};

    struct Beds(u32);

    /// Count the beds.
    #[tool]
    async fn count_beds(#[state] beds: &Beds) -> u32 {
        beds.0
    }

    async fn caller() {
        let _ = Dispatcher::new(tools![count_beds])
            .dispatch(Vec::new())
            .await;
        let _ = tools![count_beds].with_state((Beds(12), 1));
        let _ = tools![count_beds].with_state(&Beds(12));
    }
}
