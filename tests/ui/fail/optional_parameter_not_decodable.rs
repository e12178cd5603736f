use tool_core::tool;

struct Ward;

/// Count the beds of a ward.
#[tool]
async fn count_beds(ward: Option<Ward>) -> bool {
    ward.is_some()
}

fn main() {}
