use tool_core::tool;

trait Beds: Send + Sync {
    fn count(&self) -> u32;
}

/// Count the beds.
#[tool]
async fn count_beds(#[state] beds: &impl Beds) -> u32 {
    beds.count()
}

fn main() {}
