//! What a paused clock cannot show: tools that compute, threads, and a runtime that shuts down.

mod computing;
mod races;
mod threads;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tool_core::{ToolCall, tool};

/// Long beside everything that is to happen at once, on a busy machine too.
const LONG: Duration = Duration::from_millis(600);

/// Keeps threads as long as it is held, and counts those that have come.
#[derive(Default)]
struct Door {
    held: Mutex<()>,
    begun: AtomicUsize,
}

impl Door {
    fn pass(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        drop(self.held.lock());
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
}

fn call(name: &str) -> ToolCall {
    ToolCall::new(name, name, "{}")
}

/// Compute past the deadline, on a thread.
#[tool(timeout = "50ms")]
fn overrun_on_thread(#[state] ended: &AtomicUsize) {
    thread::sleep(LONG);
    ended.fetch_add(1, Ordering::SeqCst);
}
