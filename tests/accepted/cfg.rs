use tool_core::{tool, tools};

/// Count the beds.
#[cfg(true)]
#[tool]
fn count_beds() -> u32 {
    12
}

/// Count the beds that are not there.
#[cfg(false)]
#[tool]
fn count_no_beds(_: Missing) -> u32 {
    12
}

/// Count the wards.
#[tool]
#[cfg(true)]
fn count_wards() -> u32 {
    3
}

/// Count the wards that are not there.
#[tool]
#[cfg(false)]
fn count_no_wards() -> Missing {
    3
}

/// Count the doors.
#[cfg_attr(true, tool)]
fn count_doors() -> u32 {
    5
}

#[test]
fn is_accepted() {
    let tools = tools![
        count_beds,
        #[cfg(false)]
        count_no_beds,
        #[cfg(true)]
        count_wards,
        #[cfg(false)]
        count_no_wards,
        count_doors,
    ];
    assert_eq!(
        tools
            .definitions()
            .map(|tool| tool.name())
            .collect::<Vec<_>>(),
        ["count_beds", "count_wards", "count_doors"]
    );
}
