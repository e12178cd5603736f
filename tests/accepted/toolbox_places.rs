use tool_core::{ToolSet, toolbox, tools};

mod north {
    use tool_core::toolbox;

    pub struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool]
        fn count_beds(&self) -> u32 {
            12
        }
    }
}

mod elsewhere {
    #[tool_core::toolbox]
    impl super::Clinic {
        /// Count the rooms.
        #[tool]
        async fn count_rooms(&self) -> u32 {
            4
        }
    }
}

struct Clinic;

macro_rules! counted {
    ($name:ident, $ty:ty, $tool:ident, $count:expr) => {
        struct $name;

        #[toolbox]
        impl $name {
            /// Count.
            #[tool]
            fn $tool(&self, more: $ty, #[arg(default = $count)] less: u32) -> u32 {
                $count + more.unwrap_or(0) - less
            }
        }
    };
}

counted!(Doors, Option<u32>, count_doors, 7);

macro_rules! toolbox_of {
    ($ty:ty { $($body:tt)* }) => {
        #[toolbox]
        impl $ty { $($body)* }
    };
}

struct Windows;

toolbox_of!(Windows {
    /// Count the windows.
    #[tool]
    async fn count_windows(&self, other: Option<u32>) -> u32 {
        9 + other.unwrap_or(0)
    }
});

fn inside_a_function() -> ToolSet {
    struct Hospital;

    #[toolbox]
    impl Hospital {
        /// Count the beds.
        #[tool]
        fn count_beds(&self) -> u32 {
            12
        }
    }

    tools![Hospital].with_state(Hospital)
}

#[test]
fn is_accepted() {
    assert_eq!(inside_a_function().len(), 1);
    assert_eq!(tools![north::Hospital].with_state(north::Hospital).len(), 1);
    assert_eq!(
        tools![Clinic].with_state(Clinic).len() + tools![Doors].with_state(Doors).len(),
        2
    );
    assert_eq!(
        tools![crate::toolbox_places::Windows]
            .with_state(Windows)
            .len(),
        1
    );
}
