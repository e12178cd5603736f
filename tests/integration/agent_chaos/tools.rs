//! Tools that note each run, by a number that no two calls share.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;
use tool_core::{CallContext, Decision, Dispatcher, ToolError, tool, tools};

use super::plan::Case;

/// What is noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// A run begins.
    Run(usize),
    /// The model writes this message of the script.
    Begun(usize),
    /// All arguments of a call are written: message and call.
    Written(usize, usize),
    /// The model reported the call with these numbers as complete.
    Complete(Vec<u32>),
    /// The model's message is over.
    Finished(usize),
    /// The model hangs.
    Hangs,
    /// A tool was entered with this number.
    Ran(u32),
}

pub(super) type Log = Arc<Mutex<Vec<Note>>>;

struct Lab {
    log: Log,
}

impl Lab {
    fn ran(&self, n: u32) {
        self.log.lock().unwrap().push(Note::Ran(n));
    }
}

/// Look something up.
#[tool(read_only)]
async fn look(
    #[state] lab: &Lab,
    #[context] cx: &CallContext,
    n: u32,
    millis: Option<u64>,
) -> String {
    lab.ran(n);
    cx.progress("half way", 0.5);
    sleep(Duration::from_millis(millis.unwrap_or_default())).await;
    cx.progress("nearly there", 0.9);
    format!("#{n}.")
}

/// Enter something.
#[tool]
async fn enter(#[state] lab: &Lab, n: u32, millis: Option<u64>) -> String {
    lab.ran(n);
    sleep(Duration::from_millis(millis.unwrap_or_default())).await;
    format!("#{n}.")
}

/// Fail.
#[tool(idempotent)]
async fn fail(#[state] lab: &Lab, n: u32, millis: Option<u64>) -> Result<String, String> {
    lab.ran(n);
    sleep(Duration::from_millis(millis.unwrap_or_default() / 2)).await;
    Err(format!("#{n}. failed"))
}

/// Panic.
#[tool(read_only)]
async fn burst(#[state] lab: &Lab, n: u32, millis: Option<u64>) -> String {
    lab.ran(n);
    sleep(Duration::from_millis(millis.unwrap_or_default() / 2)).await;
    panic!("on purpose")
}

/// Take too long.
#[tool(read_only, timeout = "1s")]
async fn sleep_long(#[state] lab: &Lab, n: u32, millis: Option<u64>) -> String {
    lab.ran(n);
    sleep(Duration::from_millis(millis.unwrap_or_default() * 10)).await;
    format!("#{n}.")
}

/// Stop everything.
#[tool]
async fn halt(#[state] lab: &Lab, n: u32, millis: Option<u64>) -> Result<(), ToolError> {
    lab.ran(n);
    sleep(Duration::from_millis(millis.unwrap_or_default() / 4)).await;
    Err(ToolError::fatal(format!("#{n}. stops")))
}

/// Stop everything, early.
#[tool(read_only)]
async fn give_up(#[state] lab: &Lab, n: u32, millis: Option<u64>) -> Result<(), ToolError> {
    lab.ran(n);
    sleep(Duration::from_millis(millis.unwrap_or_default() / 4)).await;
    Err(ToolError::fatal(format!("#{n}. stops")))
}

/// Do something that nothing else may be beside.
#[tool(exclusive)]
async fn alone(#[state] lab: &Lab, n: u32, millis: Option<u64>) -> String {
    lab.ran(n);
    sleep(Duration::from_millis(millis.unwrap_or_default() / 4)).await;
    format!("#{n}.")
}

/// Write a memo.
#[tool]
async fn memo(#[state] lab: &Lab, text: String) -> String {
    // Text that is not whole becomes a number that no call has.
    lab.ran(
        text.strip_prefix('#')
            .and_then(|text| text.strip_suffix('.')?.parse().ok())
            .unwrap_or(u32::MAX),
    );
    text
}

/// Do nothing.
#[tool(read_only, inline)]
fn nothing(#[state] lab: &Lab) -> &'static str {
    lab.ran(0);
    "nothing"
}

/// Whether calls of the tool may start before the message is over.
pub(super) fn starts_early(tool: &str) -> bool {
    ["look", "fail", "burst", "sleep_long", "give_up", "nothing"].contains(&tool)
}

pub(super) fn dispatcher(case: &Case, log: &Log) -> Dispatcher {
    let lab = Lab {
        log: Arc::clone(log),
    };
    let tools = tools![
        look, enter, fail, burst, sleep_long, halt, give_up, alone, memo, nothing
    ]
    .with_state(lab);
    let dispatcher = Dispatcher::new(tools).with_max_concurrency(case.limit);
    let most = case.most;
    let dispatcher = dispatcher.with_limits(|limits| limits.calls = most.unwrap_or(limits.calls));
    match case.holds {
        true => dispatcher.with_policy(|call| match call.definition().name() {
            "enter" | "memo" => Decision::Hold,
            _ => Decision::Allow,
        }),
        false => dispatcher,
    }
}
