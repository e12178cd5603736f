fn main() {}

mod entries_without_comma {
    use tool_core::{tool, tools};

    /// Count the beds.
    #[tool]
    async fn count_beds() -> u32 {
        12
    }

    /// Count the wards.
    #[tool]
    async fn count_wards() -> u32 {
        3
    }

    fn toolset() -> tool_core::ToolSet {
        tools![count_beds count_wards]
    }
}

mod entry_called {
    use tool_core::{tool, tools};

    /// Count the beds.
    #[tool]
    async fn count_beds() -> u32 {
        12
    }

    fn toolset() -> tool_core::ToolSet {
        tools![count_beds()]
    }
}

mod entry_not_a_name {
    use tool_core::tools;

    fn toolset() -> tool_core::ToolSet {
        tools!["count_beds"]
    }
}

mod entry_of_method {
    use tool_core::{toolbox, tools};

    struct Db;

    #[toolbox]
    impl Db {
        /// Count the rows.
        #[tool]
        fn rows(&self) -> u32 {
            12
        }
    }

    mod storage {
        pub(super) use super::Db;
    }

    fn toolset() {
        let _ = tools![Db::rows];
        let _ = tools![storage::Db::rows];
    }
}
