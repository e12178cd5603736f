//! From lines to what happened.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use serde::Deserialize;
use serde_json::Value;
use tool_core::{Progress, ToolCall, ToolResult};

use crate::agent::{AgentEvent, Reply};
use crate::chat::{Repair, Usage};
use crate::version::Version;

/// A recording that cannot be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// Reading failed.
    #[error("the recording cannot be read: {0}")]
    Read(#[from] io::Error),
    /// A line is no JSON, or no event of a recording; or a later version of this crate wrote it.
    #[error("line {line} is no event of a recording: {}, column {}", reason(source), source.column())]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// What is wrong, without its place: the line there is that of the text of one event.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].to_owned()
}

/// What a recording says.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// In the order in which they began.
    pub(super) turns: Vec<Turn>,
    pub(super) events: usize,
    /// When the first event was recorded, and the last: microseconds since 1970.
    pub(super) from_us: u64,
    pub(super) to_us: u64,
    /// Whether some events were recorded without contents.
    pub(super) lacks_content: bool,
    /// Whether the last line is cut short.
    pub(super) is_cut: bool,
}

#[derive(Debug)]
pub(super) enum End {
    Replied(Box<Reply>),
    Failed(Failure),
}

/// The error that a run ended with.
#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    pub(super) kind: String,
    pub(super) message: String,
}

#[derive(Debug, Default)]
pub(super) struct Turn {
    /// None for what happens before a turn: at the beginning, or when held calls are decided on.
    pub(super) number: Option<usize>,
    pub(super) from_us: u64,
    pub(super) to_us: u64,
    /// Whether the model was asked again, because the service could not read its calls.
    pub(super) is_void: bool,
    /// If the run began in it.
    pub(super) prompt: Option<String>,
    pub(super) notes: Vec<Note>,
    pub(super) thinking: String,
    pub(super) text: String,
    pub(super) refusal: String,
    /// Calls while they are written: name and arguments. Their positions are not those of `calls`.
    pub(super) written: BTreeMap<usize, (String, String)>,
    pub(super) calls: BTreeMap<usize, Call>,
    /// In call order.
    pub(super) results: Vec<ToolResult>,
    pub(super) usage: Option<Usage>,
    /// If the run ended in it.
    pub(super) end: Option<End>,
}

/// What was changed or done again.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) what: &'static str,
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct Call {
    /// Without arguments, if only its progress is known.
    pub(super) call: ToolCall,
    pub(super) repairs: Vec<Repair>,
    /// With the time of each, microseconds since 1970.
    pub(super) progress: Vec<(u64, Progress)>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "version")]
    _version: Version,
    at_us: u64,
    #[serde(default = "yes")]
    recorded_content: bool,
    event: Value,
}

fn yes() -> bool {
    true
}

pub(super) fn read(mut lines: impl BufRead) -> Result<Recording, RecordingError> {
    let mut recording = Recording::default();
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        if lines.read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<Line>(&text) {
            Ok(line) => recording.add(line),
            Err(error) if !text.ends_with(b"\n") && !error.is_data() => recording.is_cut = true,
            Err(source) => return Err(RecordingError::Line { line, source }),
        }
    }
    Ok(recording)
}

impl Recording {
    fn add(&mut self, line: Line) {
        let Line { at_us, event, .. } = line;
        if self.events == 0 {
            self.from_us = at_us;
        }
        self.events += 1;
        self.to_us = at_us.max(self.to_us);
        self.lacks_content |= !line.recorded_content;
        if event["type"] == "prompt"
            && let Some(prompt) = event["data"].as_str()
        {
            self.begin(None, at_us);
            self.turn(at_us).prompt = Some(prompt.to_owned());
            return;
        }
        let failure = (event["type"] == "error").then(|| Failure::deserialize(&event["data"]));
        match AgentEvent::deserialize(&event) {
            Ok(AgentEvent::TurnStarted { turn }) => self.begin(Some(turn), at_us),
            Ok(happened) => self.turn(at_us).add(happened, at_us),
            Err(_) => {
                let turn = self.turn(at_us);
                match failure {
                    Some(Ok(failure)) => turn.end = Some(End::Failed(failure)),
                    _ => turn.note("Unknown event", [event]),
                }
            }
        }
    }

    /// The turn that an event belongs to.
    fn turn(&mut self, at_us: u64) -> &mut Turn {
        if self.turns.last().is_none_or(|turn| turn.end.is_some()) {
            self.begin(None, at_us);
        }
        let last = self.turns.len() - 1;
        let turn = &mut self.turns[last];
        turn.to_us = at_us.max(turn.to_us);
        turn
    }

    fn begin(&mut self, number: Option<usize>, at_us: u64) {
        if let Some(before) = self.turns.last_mut() {
            before.is_void = before.end.is_none() && number.is_some() && before.number == number;
        }
        self.turns.push(Turn {
            number,
            from_us: at_us,
            to_us: at_us,
            ..Turn::default()
        });
    }
}

impl Turn {
    fn add(&mut self, event: AgentEvent, at_us: u64) {
        match event {
            AgentEvent::TurnStarted { .. } => {} // begins another
            AgentEvent::HistoryRepaired(repairs) => self.note("History repaired", repairs),
            AgentEvent::ToolsLeftOut(tools) => {
                let tools = tools.into_iter();
                let texts = tools.map(|left_out| format!("{}: {}", left_out.tool, left_out.reason));
                self.note("Tool left out", texts);
            }
            AgentEvent::RequestRepaired(repairs) => self.note("Request repaired", repairs),
            AgentEvent::RequestRetried(retries) => {
                let reasons = retries.into_iter().map(|retry| retry.reason);
                self.note("Request sent again", reasons);
            }
            AgentEvent::Text(more) => self.text += &more,
            AgentEvent::Thinking(more) => self.thinking += &more,
            AgentEvent::Refusal(more) => self.refusal += &more,
            AgentEvent::ToolCallStarted { position, name } => {
                self.written.insert(position, (name, String::new()));
            }
            AgentEvent::ToolCallDelta { position, delta } => {
                self.written.entry(position).or_default().1 += &delta;
            }
            AgentEvent::ToolCallReady {
                position,
                call,
                repairs,
            } => self.call(position, call).repairs = repairs,
            AgentEvent::ToolCallsReady(calls) => {
                for (position, call) in calls.into_iter().enumerate() {
                    self.call(position, call);
                }
            }
            AgentEvent::Progress(progress) => {
                let call = ToolCall::new(&*progress.id, &*progress.tool, "");
                let call = self.call(progress.position, call);
                call.progress.push((at_us, progress));
            }
            AgentEvent::Result(result) => {
                let position = result.position();
                self.call(position, result.call().clone());
                match self.place(position) {
                    Ok(place) => self.results[place] = result,
                    Err(place) => self.results.insert(place, result),
                }
            }
            AgentEvent::Results(_) => {} // each was there before
            AgentEvent::Usage(usage) => self.usage = Some(usage),
            AgentEvent::Reply(reply) => self.end = Some(End::Replied(Box::new(reply))),
        }
    }

    /// The call at a position: as it is known already, or else this one.
    fn call(&mut self, position: usize, call: ToolCall) -> &mut Call {
        self.calls.entry(position).or_insert_with(|| Call {
            call,
            repairs: Vec::new(),
            progress: Vec::new(),
        })
    }

    pub(super) fn result(&self, position: usize) -> Option<&ToolResult> {
        let place = self.place(position).ok()?;
        self.results.get(place)
    }

    /// Where the result of that position is, or would be.
    fn place(&self, position: usize) -> Result<usize, usize> {
        let results = &self.results;
        results.binary_search_by_key(&position, ToolResult::position)
    }

    fn note(&mut self, what: &'static str, texts: impl IntoIterator<Item = impl ToString>) {
        let notes = texts.into_iter().map(|text| Note {
            what,
            text: text.to_string(),
        });
        self.notes.extend(notes);
    }
}
