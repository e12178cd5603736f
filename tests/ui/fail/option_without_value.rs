use tool_core::tool;

/// Count the beds.
#[tool(name)]
async fn count_beds() -> u32 {
    12
}

/// Count the wards.
#[tool(timeout)]
async fn count_wards() -> u32 {
    3
}

#[tool(description)]
async fn count_chairs() -> u32 {
    30
}

/// Count the doors.
#[tool(crate)]
async fn count_doors() -> u32 {
    5
}

fn main() {}
