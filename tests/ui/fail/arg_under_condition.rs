use tool_core::tool;

/// Count the beds.
#[tool]
async fn count_beds(#[cfg_attr(all(), arg(default = 1))] ward: u32) -> u32 {
    ward
}

fn main() {}
