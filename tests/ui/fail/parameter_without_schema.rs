use tool_core::tool;

#[derive(serde::Deserialize)]
struct Ward {
    number: u32,
}

/// Count the beds of a ward.
#[tool]
async fn count_beds(ward: Ward) -> u32 {
    ward.number
}

fn main() {}
