use tool_core::tool;

/// Count the beds.
#[tool]
fn count_beds(ward: u32) -> impl Future<Output = u32> {
    let beds = std::rc::Rc::new(ward);
    async move { *beds }
}

fn main() {}
