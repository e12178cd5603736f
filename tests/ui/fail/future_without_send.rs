use tool_core::tool;

use std::rc::Rc;

/// Wait a little.
#[tool]
async fn wait(rounds: u32) -> u32 {
    let rounds = Rc::new(rounds);
    std::future::ready(()).await;
    *rounds
}

fn main() {}
