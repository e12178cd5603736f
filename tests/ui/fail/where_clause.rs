use tool_core::tool;

/// Count the beds.
#[tool]
async fn count_beds() -> u32
where
    u32: Copy,
{
    12
}

fn main() {}
