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

fn main() {}
