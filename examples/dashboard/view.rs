//! What a page shows of a run: the sum of its events so far.

use tool_core::{ErrorCode, HeldFor, ToolResult};
use tool_openai::AgentEvent;
use tool_openai::chat::Usage;
use uuid::Uuid;

use crate::store::{Entry, Recorded};

/// A run as its events so far tell it.
#[derive(Default)]
pub(crate) struct View {
    pub(crate) status: Status,
    /// What the model says in each turn, without empty turns at the end.
    pub(crate) texts: Vec<String>,
    pub(crate) calls: Vec<Call>,
    /// Requests to the model.
    pub(crate) requests: Vec<Span>,
    pub(crate) usage: Usage,
    /// Retries, repairs and what else was unusual.
    pub(crate) notices: Vec<String>,
    /// The number of the last event.
    pub(crate) seq: i64,
    /// When the last event was, in microseconds since 1970.
    pub(crate) last_us: i64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Status {
    #[default]
    Running,
    /// Calls wait for the approval of this name.
    Held(Uuid),
    Finished,
    Stopped,
    Failed(String),
}

/// From when to when, in microseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: i64,
    pub(crate) end: Option<i64>,
}

pub(crate) struct Call {
    pub(crate) turn: usize,
    /// Its place in the message.
    pub(crate) position: usize,
    pub(crate) tool: String,
    pub(crate) arguments: String,
    /// From when it is known what to call. It ends with the result.
    pub(crate) span: Span,
    /// How much of that it waited for its turn, in microseconds.
    pub(crate) queued: i64,
    pub(crate) result: Option<ToolResult>,
    pub(crate) is_retried: bool,
}

impl Call {
    pub(crate) fn is_held(&self) -> bool {
        let result = self.result.as_ref();
        result.is_some_and(|result| result.held_for().is_some())
    }

    /// Whether a person has to decide on it; others are held behind one.
    pub(crate) fn needs_decision(&self) -> bool {
        let result = self.result.as_ref();
        result.is_some_and(|result| result.held_for() == Some(HeldFor::Decision))
    }

    pub(crate) fn is_running(&self) -> bool {
        self.result.is_none() || self.is_retried
    }

    /// Why it has no output.
    pub(crate) fn error(&self) -> Option<(ErrorCode, &str)> {
        let error = self.result.as_ref()?.outcome().err()?;
        Some((error.code(), error.message_for_model()))
    }
}

impl View {
    pub(crate) fn is_over(&self) -> bool {
        self.status != Status::Running && !self.calls.iter().any(|call| call.is_retried)
    }

    pub(crate) fn text(&self) -> String {
        let texts = self.texts.iter().filter(|text| !text.is_empty());
        texts.cloned().collect::<Vec<_>>().join("\n\n")
    }

    /// The latest call of a tool.
    pub(crate) fn latest(&self, tool: &str) -> Option<(usize, &Call)> {
        let calls = self.calls.iter().enumerate();
        calls.rev().find(|(_, call)| call.tool == tool)
    }

    pub(crate) fn apply(&mut self, recorded: Recorded) {
        let Recorded { seq, at_us, entry } = recorded;
        self.seq = seq;
        self.last_us = at_us;
        match entry {
            Entry::Event(event) => self.apply_event(event, at_us),
            Entry::Held(approval) => self.end(Status::Held(approval)),
            Entry::Decided { .. } => self.status = Status::Running,
            Entry::Finished => self.end(Status::Finished),
            Entry::Stopped => self.end(Status::Stopped),
            Entry::Failed(message) => self.end(Status::Failed(message)),
            Entry::Retrying(call) => {
                if let Some(call) = self.calls.get_mut(call) {
                    call.is_retried = true;
                    call.span = Span {
                        start: at_us,
                        end: None,
                    };
                }
            }
            Entry::Retried(call, result) => {
                if let Some(call) = self.calls.get_mut(call) {
                    call.is_retried = false;
                    call.answer(result, at_us);
                }
            }
        }
    }

    /// The program ended before the run did.
    pub(crate) fn interrupt(&mut self) {
        for call in &mut self.calls {
            call.is_retried = false;
        }
        if self.status == Status::Running {
            self.end(Status::Failed("the server was stopped".to_owned()));
        }
    }

    fn end(&mut self, status: Status) {
        let end = self.last_us;
        for request in self
            .requests
            .iter_mut()
            .filter(|request| request.end.is_none())
        {
            request.end = Some(end);
        }
        self.status = status;
    }

    fn apply_event(&mut self, event: AgentEvent, at_us: i64) {
        match event {
            AgentEvent::TurnStarted { turn } => {
                // A turn may be asked for again: what came of it before is void.
                self.texts.resize(turn, String::new());
                self.calls.retain(|call| call.turn < turn);
                if let Some(text) = self.texts.last_mut() {
                    text.clear();
                }
                self.requests.push(Span {
                    start: at_us,
                    end: None,
                });
            }
            AgentEvent::Text(text) | AgentEvent::Refusal(text) => {
                if let Some(said) = self.texts.last_mut() {
                    said.push_str(&text);
                }
            }
            AgentEvent::ToolCallReady {
                position,
                call,
                repairs,
            } => {
                let repairs = repairs
                    .iter()
                    .map(|repair| format!("{}: {repair}", call.name));
                self.notices.extend(repairs);
                self.calls.push(Call {
                    turn: self.texts.len(),
                    position,
                    tool: call.name,
                    arguments: call.arguments,
                    span: Span {
                        start: at_us,
                        end: None,
                    },
                    queued: 0,
                    result: None,
                    is_retried: false,
                });
            }
            AgentEvent::ToolCallsReady(_) => self.request_ended(at_us),
            AgentEvent::Result(result) => self.answer(result, at_us),
            AgentEvent::Results(results) => {
                for result in results {
                    self.answer(result, at_us);
                }
            }
            AgentEvent::Usage(usage) => {
                self.usage += &usage;
                self.request_ended(at_us);
            }
            AgentEvent::RequestRetried(retries) => {
                let reasons = retries
                    .into_iter()
                    .map(|retry| format!("asked again: {}", retry.reason));
                self.notices.extend(reasons);
            }
            AgentEvent::RequestRepaired(repairs) => {
                self.notices.extend(repairs.iter().map(ToString::to_string));
            }
            _ => {}
        }
    }

    fn request_ended(&mut self, at_us: i64) {
        if let Some(request) = self.requests.last_mut() {
            request.end.get_or_insert(at_us);
        }
    }

    fn answer(&mut self, result: ToolResult, at_us: i64) {
        let (turn, position) = (self.texts.len(), result.position());
        let mut calls = self.calls.iter_mut().rev();
        let call = calls.find(|call| (call.turn, call.position) == (turn, position));
        // The results of a message come again when all are there.
        if let Some(call) = call.filter(|call| call.result.is_none() || call.is_held()) {
            call.answer(result, at_us);
        }
    }
}

impl Call {
    fn answer(&mut self, result: ToolResult, at_us: i64) {
        let micros =
            |time: std::time::Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        self.arguments.clone_from(&result.call().arguments);
        // By its own clock where it ran: an event may come late.
        self.span.end = Some(at_us);
        if let Some(started) = result.started() {
            self.queued = micros(started.duration_since(result.queued()));
            self.span.end = Some(self.span.start + self.queued + micros(result.elapsed()));
        }
        self.result = Some(result);
    }
}
