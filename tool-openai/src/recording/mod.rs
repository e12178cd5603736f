//! Runs as files: each event is a line of JSON, and [`to_html`] makes a page of them for a browser.
//!
//! A recording has the events of one run, or of runs that follow one another in one conversation.
//! The program `run-to-html` makes the same page: `run-to-html FILE > run.html`.
//!
//! Shape: lines (JSON Lines), each an object with `version` (1), `at_us` (wall time when it was
//! recorded, microseconds since 1970), `recorded_content` (whether contents are in it) and `event`:
//! an [`AgentEvent`] as it serialises, `{"type": "prompt", "data": …}` with the text that a run begins
//! with, or `{"type": "error", "data": {"kind": …, "message": …}}` for a run that failed.
//!
//! From a stream:
//!
//! ```
//! # use tool_core::serde_json::json;
//! use tool_core::{tool, tools};
//! use tool_openai::Agent;
//! use tool_openai::recording::{Recorder, to_html};
//! use tool_openai::testing::{MockModel, ScriptedReply};
//!
//! /// Add two numbers.
//! #[tool]
//! fn add(a: i64, b: i64) -> i64 {
//!     a.wrapping_add(b)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let call = ScriptedReply::calls([("add", json!({"a": 2, "b": 3}))]);
//! # let model = MockModel::new([call, ScriptedReply::text("It is 5.")]);
//! let agent = Agent::new(model, "gpt-4o").with_tools(tools![add]);
//! let mut recorder = Recorder::new(Vec::new()).with_recorded_content(); // or a `File`
//!
//! recorder.record_prompt("What is 2 + 3?")?;
//! let mut run = agent.stream("What is 2 + 3?");
//! while let Some(event) = run.next().await {
//!     match event {
//!         Ok(event) => recorder.record(&event)?,
//!         Err(error) => recorder.record_error(&error)?,
//!     }
//! }
//!
//! let page = to_html(&recorder.into_inner()[..])?;
//! assert!(page.contains("It is 5."));
//! # Ok(())
//! # }
//! ```
//!
//! By [`Agent::with_on_event`](crate::Agent::with_on_event), which does not report how a run ended:
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use tool_openai::Agent;
//! use tool_openai::recording::Recorder;
//! # use tool_openai::testing::{MockModel, ScriptedReply};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let model = MockModel::new([ScriptedReply::text("Hello.")]);
//! let recorder = Arc::new(Mutex::new(Recorder::new(Vec::new())));
//! let events = Arc::clone(&recorder);
//! let agent = Agent::new(model, "gpt-4o").with_on_event(move |event| {
//!     if let Err(error) = events.lock().unwrap().record(event) {
//!         eprintln!("an event is not recorded: {error}");
//!     }
//! });
//!
//! recorder.lock().unwrap().record_prompt("Hello?")?;
//! match agent.run("Hello?").await {
//!     Ok(reply) => recorder.lock().unwrap().record_reply(&reply)?,
//!     Err(error) => recorder.lock().unwrap().record_error(&error)?,
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`AgentEvent`]: crate::AgentEvent

mod html;
mod read;
mod recorder;
mod redact;
mod text;
mod turn;

use std::io::BufRead;

pub use read::RecordingError;
pub use recorder::Recorder;

/// Makes a page for a browser of a recording: one HTML file without scripts, and without anything
/// from elsewhere.
///
/// It shows the prompts and each turn: what the model wrote, the calls with arguments, repairs, progress and
/// results, a timeline (waterfall chart) with the critical path, tokens, and how the run ended. All
/// text is escaped; of each text, at most the first 20 000 characters are shown. An event that this version
/// does not know is shown as unknown.
///
/// A recording may end anywhere: a last line that is cut short is left out, and the page says so.
///
/// # Errors
/// It cannot be read, or a line is no event of a recording.
///
/// ```
/// use tool_openai::recording::to_html;
///
/// let recording = r#"{"version": 1, "at_us": 1764504000000000, "event": {"type": "turn_started", "data": {"turn": 1}}}
/// {"version": 1, "at_us": 1764504001000000, "event": {"type": "text", "data": "1 < 2"}}
/// {"version": 1, "at_us": 17645040"#;
///
/// let page = to_html(recording.as_bytes())?;
/// assert!(page.starts_with("<!doctype html>") && page.contains("1 &lt; 2"));
///
/// let error = to_html("Hello\n".as_bytes()).unwrap_err();
/// assert_eq!(error.to_string(), "line 1 is no event of a recording: expected value, column 1");
/// # Ok::<(), tool_openai::recording::RecordingError>(())
/// ```
pub fn to_html(recording: impl BufRead) -> Result<String, RecordingError> {
    Ok(html::Page(&read::read(recording)?).to_string())
}
