//! Two linked tools of one name: known only when the program starts.

use tool_core::{LinkedError, States, ToolSet};

mod north {
    /// Count the beds.
    #[tool_core::tool(linked)]
    pub(super) fn count_beds() -> u32 {
        12
    }
}

mod south {
    /// Count the beds.
    #[tool_core::tool(linked)]
    pub(super) fn count_beds() -> u32 {
        7
    }
}

/// Count the floors.
#[tool_core::tool(linked, name = "a")]
fn count_floors() -> u32 {
    3
}

#[test]
fn is_accepted() {
    let error = ToolSet::linked(&States::new()).expect_err("two of one name");
    let LinkedError::Duplicate { name, modules } = &error else {
        panic!("{error}")
    };
    assert_eq!(
        (*name, modules.map(|module| module.rsplit("::").next())),
        ("count_beds", [Some("north"), Some("south")])
    );
    assert!(
        error
            .to_string()
            .starts_with("two linked tools are named `count_beds`, in `"),
        "{error}"
    );
    assert_eq!(
        north::count_beds() + south::count_beds() + count_floors(),
        22
    );
}
