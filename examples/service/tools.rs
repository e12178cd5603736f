//! What the model can do for the user who is logged in.

use std::path::PathBuf;
use std::time::Duration;

use tool_core::{Decision, Dispatcher, tool, tools};

/// The session of a user. Each request has its own; the limits are the program's.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) user: String,
    pub(crate) activity: ActivityLog,
}

/// What was done, a line each, in a file that outlives the program.
#[derive(Clone, Debug)]
pub(crate) struct ActivityLog(pub(crate) PathBuf);

impl ActivityLog {
    fn note(&self, line: &str) -> Result<(), std::io::Error> {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.0)?;
        writeln!(file, "{line}")
    }
}

/// Notes that a tool was dropped before it was done.
struct Unfinished<'a>(Option<&'a ActivityLog>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(activity) = self.0 {
            let _ = activity.note("find_slots was dropped"); // the caller has dropped the call
        }
    }
}

/// Find free slots of a ward; takes a while.
#[tool(read_only, timeout = "2m")]
async fn find_slots(#[state] session: &Session, ward: &str) -> Result<Vec<String>, std::io::Error> {
    session.activity.note("find_slots has begun")?;
    let mut unfinished = Unfinished(Some(&session.activity));
    let wait = if ward == "archive" { 60_000 } else { 300 };
    tokio::time::sleep(Duration::from_millis(wait)).await;
    unfinished.0 = None;
    Ok(vec![
        format!("{ward}, Monday 9:00"),
        format!("{ward}, Tuesday 14:30"),
    ])
}

/// Book a slot for the user who is logged in.
#[tool(destructive)]
async fn book_slot(#[state] session: &Session, slot: &str) -> Result<String, std::io::Error> {
    session
        .activity
        .note(&format!("{} booked {slot}", session.user))?;
    Ok(format!("booked {slot} for {}", session.user))
}

/// The tools of every session, with the limits that all sessions share. Calls that change something
/// wait for approval.
pub(crate) fn dispatcher() -> Dispatcher<Session> {
    Dispatcher::new(tools![find_slots, book_slot])
        .with_max_concurrency(64)
        .with_policy(|call| match call.definition().behavior().is_read_only() {
            true => Decision::Allow,
            false => Decision::Hold,
        })
}
