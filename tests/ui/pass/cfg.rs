use tool_core::{tool, tools};

/// Count the beds.
#[cfg(all())]
#[tool]
fn count_beds() -> u32 {
    12
}

/// Count the beds that are not there.
#[cfg(any())]
#[tool]
fn count_no_beds(_: Missing) -> u32 {
    12
}

/// Count the wards.
#[tool]
#[cfg(all())]
fn count_wards() -> u32 {
    3
}

/// Count the wards that are not there.
#[tool]
#[cfg(any())]
fn count_no_wards() -> Missing {
    3
}

/// Count the doors.
#[cfg_attr(all(), tool)]
fn count_doors() -> u32 {
    5
}

fn main() {
    let tools = tools![
        count_beds,
        #[cfg(any())]
        count_no_beds,
        #[cfg(all())]
        count_wards,
        #[cfg(any())]
        count_no_wards,
        count_doors,
    ];
    assert_eq!(tools.definitions().map(|tool| tool.name()).collect::<Vec<_>>(), ["count_beds", "count_wards", "count_doors"]);
}
