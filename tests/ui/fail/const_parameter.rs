use tool_core::tool;

/// Roll dice.
#[tool]
async fn roll<const N: usize>(sides: u32) -> Vec<u32> {
    vec![sides; N]
}

fn main() {}
