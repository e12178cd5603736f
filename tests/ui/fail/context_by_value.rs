use tool_core::{CallContext, tool};

/// Count the beds.
#[tool]
async fn count_beds(#[context] cx: CallContext) -> usize {
    cx.position()
}

fn main() {}
