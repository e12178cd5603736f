use tool_core::{CallContext, tool};

/// Count the beds.
#[tool]
async fn count_beds(#[context(id)] cx: &CallContext) -> usize {
    cx.position()
}

fn main() {}
