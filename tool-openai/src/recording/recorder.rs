//! From events to lines.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::redact;
use crate::agent::{AgentEvent, Reply, error_type};
use crate::error::AgentError;
use crate::version::Version;

/// Writes the events of one run, or of runs that follow one another, as lines of JSON. The shape is
/// that of the [module](super).
///
/// Unless [set](Self::with_recorded_content), it holds what spans show: names, ids, times, codes,
/// counts of tokens, and the service's words for a request that is sent again.
///
/// Each line is one write and one flush: a crash loses at most the end of the last line. A file
/// needs no buffer around it.
///
/// ```
/// use tool_core::serde_json::{Value, from_slice};
/// use tool_openai::AgentEvent;
/// use tool_openai::recording::Recorder;
///
/// let mut recorder = Recorder::new(Vec::new());
/// recorder.record(&AgentEvent::TurnStarted { turn: 1 })?;
///
/// let line: Value = from_slice(&recorder.into_inner())?;
/// assert_eq!(line["event"]["type"], "turn_started");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recorder<W> {
    writer: W,
    records_content: bool,
    /// Whether the last line may be cut short.
    is_broken: bool,
}

/// One line.
#[derive(Serialize)]
struct Line<E> {
    version: Version,
    at_us: u64,
    recorded_content: bool,
    event: E,
}

/// How a run began and ended, which is no event of it.
#[derive(Serialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
enum Around<'a> {
    Prompt(&'a str),
    Reply(&'a Reply),
    Error { kind: String, message: String },
}

impl<W: Write> Recorder<W> {
    /// Writes to `writer`, without contents.
    pub fn new(writer: W) -> Self {
        Self {
            writer,
            records_content: false,
            is_broken: false,
        }
    }

    /// Writes contents too: prompts, the model's text, arguments, results, messages of errors and of
    /// progress, and of a suspended run its conversation. They may hold what must not be in a file;
    /// without this they stay out. As
    /// [`Dispatcher::with_recorded_content`](tool_core::Dispatcher::with_recorded_content) for spans.
    #[must_use]
    pub fn with_recorded_content(self) -> Self {
        Self {
            records_content: true,
            ..self
        }
    }

    /// Writes a line for the prompt that a run begins with.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn record_prompt(&mut self, prompt: &str) -> io::Result<()> {
        let prompt = if self.records_content { prompt } else { "" };
        self.write(&Around::Prompt(prompt))
    }

    /// Writes a line for an event, with the time that it is now.
    ///
    /// # Errors
    /// The line could not be written. It may be cut short, so every later line is an error too.
    pub fn record(&mut self, event: &AgentEvent) -> io::Result<()> {
        match self.records_content {
            true => self.write(event),
            false => self.write(&redact::event(event)?),
        }
    }

    /// Writes a line for the reply that a run ended with: what [`Agent::run`](crate::Agent::run)
    /// returns. In a stream, it is an event.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn record_reply(&mut self, reply: &Reply) -> io::Result<()> {
        let mut event = serde_json::to_value(Around::Reply(reply))?;
        if !self.records_content {
            redact::reply(&mut event["data"]);
        }
        self.write(&event)
    }

    /// Writes a line for the error that a run ended with. Its kind is `error.type` of spans; its
    /// message is content.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn record_error(&mut self, error: &AgentError) -> io::Result<()> {
        let message = match self.records_content {
            true => error.to_string(),
            false => String::new(),
        };
        let kind = error_type(error);
        self.write(&Around::Error { kind, message })
    }

    /// What it writes to.
    pub fn into_inner(self) -> W {
        self.writer
    }

    fn write(&mut self, event: &impl Serialize) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other("a line before it could not be written"));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_micros());
        let mut line = serde_json::to_vec(&Line {
            version: Version,
            at_us: u64::try_from(now).unwrap_or(u64::MAX),
            recorded_content: self.records_content,
            event,
        })?;
        line.push(b'\n');
        let written = self.writer.write_all(&line);
        let written = written.and_then(|()| self.writer.flush());
        self.is_broken = written.is_err();
        written
    }
}
