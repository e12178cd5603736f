//! A dispatcher runs calls when it is bound to what its tools ask for.

use tool_core::{Dispatcher, tool, tools};

struct Session;

/// Log somebody out.
#[tool]
async fn log_out(#[state] session: &Session) {
    let _ = session;
}

fn main() {
    let shared: Dispatcher<Session> = Dispatcher::new(tools![log_out]);
    let _ = shared.dispatch(Vec::new());
    let _ = Dispatcher::new(tools![log_out]).with_state("nobody");
    let _ = shared.with_state(String::new());
}
