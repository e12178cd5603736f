//! One run: turns, until the model answers.

mod resumed;

use std::sync::Arc;

use tool_core::{Dispatcher, ToolResult};
use tracing::Instrument;

use super::conversation::{State, Writer};
use super::events::{Events, Queue};
use super::message::{Answering, ReceivedMessage};
use super::prepared::Prepared;
use super::unsettled::{Batch, Kept, RequestFailure, Unsettled};
use super::{Agent, AgentEvent, LeftOutTool, OWN_KEYS, Outcome, Reply, Suspended};
use super::{returned, span, typed};
use crate::chat::{
    self, AssistantMessage, Choice, Completion, Message, MessageParser, Request, Usage,
};
use crate::error::{AgentError, ModelError};

/// How often a turn is requested when the model writes malformed calls.
const MOST_TRIES: usize = 3;

/// The latest turn's calls with their results, and how often they came in a row.
pub(super) type Repeated = (Vec<[String; 3]>, usize);

/// One run of a conversation.
pub(super) struct Run {
    agent: Agent,
    prepared: Arc<Prepared>,
    history: Kept,
    events: Events,
    /// What the model is asked next: it grows by what enters the history.
    request: Request,
    /// How many messages of the history are in the request.
    asked: usize,
    usage: Usage,
    /// The id that the service gave the last request.
    request_id: Option<String>,
    latest: Option<Repeated>,
}

/// How a run ended.
pub(super) struct Ended {
    pub(super) reply: Result<Reply, AgentError>,
    /// The right to add to the history, if the run is suspended, until the suspended run is handed
    /// out.
    pub(super) kept: Option<Kept>,
}

impl Ended {
    /// The reply is dropped unread. A suspended run enters the history: its calls may have acted.
    pub(super) fn forget(self) {
        if let (Ok(reply), Some(kept)) = (self.reply, self.kept)
            && let Outcome::Suspended(suspended) = reply.outcome
        {
            kept.keep(suspended.received(), suspended.results());
        }
    }
}

impl From<AgentError> for Ended {
    fn from(error: AgentError) -> Self {
        Self {
            reply: Err(error),
            kept: None,
        }
    }
}

impl Run {
    pub(super) fn new(
        agent: Agent,
        writer: Writer,
        queue: Option<Queue>,
    ) -> Result<Self, AgentError> {
        let mut events = Events::new(agent.config.on_event.clone(), queue);
        let repairs = std::mem::take(&mut writer.lock().repairs);
        if !repairs.is_empty() {
            events.emit(AgentEvent::HistoryRepaired(repairs));
        }
        let mut parameters = agent.config.extra.keys();
        if let Some(key) = parameters.find(|key| OWN_KEYS.contains(&key.as_str())) {
            return Err(AgentError::Parameter { key: key.clone() });
        }
        let tools = agent.config.dispatcher.tools();
        let mut final_tools = agent.config.final_tools.iter();
        if let Some(tool) = final_tools.find(|tool| tools.definition(tool).is_none()) {
            return Err(AgentError::FinalTool { tool: tool.clone() });
        }
        let prepared = agent.config.prepared()?;
        if !prepared.left_out.is_empty() {
            let left_out = prepared.left_out.iter().map(LeftOutTool::from);
            events.emit(AgentEvent::ToolsLeftOut(left_out.collect()));
        }
        let request = Request {
            model: agent.config.model_name.clone(),
            messages: prepared.system.iter().cloned().collect(),
            tools: prepared.tools.clone(),
            tool_choice: agent.config.tool_choice.clone(),
            parallel_tool_calls: agent.config.parallel_tool_calls,
            stream: None,
            extra: agent.config.extra.clone(),
        };
        request.check_tool_choice()?;
        let history = Kept {
            writer,
            prepared: Arc::clone(&prepared),
            model_name: agent.config.model_name.clone(),
        };
        Ok(Self {
            agent,
            prepared,
            history,
            events,
            request,
            asked: 0,
            usage: Usage::default(),
            request_id: None,
            latest: None,
        })
    }

    pub(super) async fn turns(mut self, streamed: bool) -> Ended {
        let reply = self.turns_after(0, streamed).await;
        self.ended(reply)
    }

    /// No other run adds to a conversation before its suspended run is handed out.
    fn ended(self, reply: Result<Reply, AgentError>) -> Ended {
        let suspended = |reply: &Reply| matches!(reply.outcome, Outcome::Suspended(_));
        let is_suspended = reply.as_ref().is_ok_and(suspended);
        Ended {
            reply,
            kept: is_suspended.then_some(self.history),
        }
    }

    async fn turns_after(&mut self, before: usize, streamed: bool) -> Result<Reply, AgentError> {
        let turns = self.agent.config.max_turns;
        for turn in before + 1..=turns {
            self.check_budget()?;
            let (text, results) = match self.turn(turn, streamed).await? {
                Turn::Called { text, results } => (text, results),
                Turn::FinalText(final_text) => {
                    return Ok(self.reply(turn, final_text, Outcome::Finished));
                }
                Turn::Held(suspended) => return Ok(self.suspended(suspended)),
            };
            self.check_repeats(&results)?;
            if self.agent.config.stops(&results) {
                return Ok(self.reply(turn, FinalText::new(text, None), Outcome::Stopped));
            }
        }
        Err(AgentError::TurnLimit { turns })
    }

    fn reply(&self, turns: usize, final_text: FinalText, outcome: Outcome) -> Reply {
        Reply {
            text: final_text.text,
            outcome,
            finish_reason: final_text.finish_reason,
            request_id: self.request_id.clone(),
            turns,
            usage: self.usage.clone(),
        }
    }

    fn suspended(&self, suspended: Box<Suspended>) -> Reply {
        let turns = suspended.turns();
        let final_text = FinalText::new(suspended.text(), None);
        self.reply(turns, final_text, Outcome::Suspended(suspended))
    }

    /// Waits until the calls of a message are answered, or the run is cancelled: whether it was, and
    /// the results.
    async fn settled<B: Batch>(
        &mut self,
        message: (ReceivedMessage, B),
    ) -> Result<(ReceivedMessage, bool, Vec<ToolResult>), AgentError> {
        let mut unsettled = Unsettled::new(message, &self.history);
        let cancellation = &self.agent.config.cancellation;
        let cancelled = unsettled
            .watch(cancellation, &mut self.events)
            .await
            .is_err();
        // All are answered, or are stopped now: nothing is awaited for long.
        let Some((received, batch)) = unsettled.take() else {
            return Err(AgentError::Cancelled);
        };
        let results = match cancelled {
            true => batch.cancel(),
            false => batch.finish().await,
        };
        Ok((received, cancelled, results))
    }

    fn check_budget(&self) -> Result<(), AgentError> {
        let used = self.usage.total_tokens;
        match self.agent.config.token_budget {
            Some(budget) if used >= budget => Err(AgentError::TokenBudget { used, budget }),
            _ => Ok(()),
        }
    }

    /// Counts turns that are the same in what was called and what was answered.
    fn check_repeats(&mut self, results: &[ToolResult]) -> Result<(), AgentError> {
        let Some(most) = self.agent.config.loop_guard else {
            return Ok(());
        };
        let part = |result: &ToolResult| {
            let call = result.call();
            [&call.name, &call.arguments, &*result.content()].map(str::to_owned)
        };
        let turn: Vec<[String; 3]> = results.iter().map(part).collect();
        match &mut self.latest {
            Some((latest, times)) if *latest == turn => *times += 1,
            latest => *latest = Some((turn, 1)),
        }
        match (&self.latest, results.first()) {
            (Some((_, times)), Some(first)) if *times >= most => Err(AgentError::Loop {
                tool: first.name().to_owned(),
                times: *times,
            }),
            _ => Ok(()),
        }
    }

    /// Adds to the request what has entered the history since it was last made.
    fn bring_up_to_date(&mut self, turn: usize) {
        let state = self.history.writer.lock();
        let mut messages = state.history.messages[self.asked..].to_vec();
        drop(state);
        let before = usize::from(self.prepared.system.is_some()) + self.asked;
        self.asked += messages.len();
        let profile = &self.prepared.profile;
        returned::fit(&mut messages, before, profile, &self.request.model);
        if profile.alternates() {
            chat::answer_results(&mut messages);
        }
        self.request.messages.append(&mut messages);
        if turn > 1 {
            self.request.tool_choice = None;
        }
        if let Some(answer) = &self.agent.config.answer {
            typed::ask_for(answer, profile, &mut self.request);
        }
    }

    /// Asks the model once and runs what it calls.
    async fn turn(&mut self, turn: usize, streamed: bool) -> Result<Turn, AgentError> {
        self.bring_up_to_date(turn);
        let prepared = self.agent.config.prepare_turn.as_ref().map(|prepare| {
            let mut request = self.request.clone();
            prepare(turn, &mut request);
            std::mem::replace(&mut self.request, request)
        });
        let answered = self.answered_turn(turn, streamed).await;
        if let Some(request) = prepared {
            self.request = request; // what was changed in it was for this turn alone
        }
        answered
    }

    async fn answered_turn(&mut self, turn: usize, streamed: bool) -> Result<Turn, AgentError> {
        let dispatcher = self.agent.config.dispatcher.clone();
        let (answering, mut completion) = self.ask(turn, streamed, &dispatcher).await?;
        if let Some(used) = completion.usage.take() {
            self.usage += &used;
            self.state().history.usage += &used;
            self.events.emit(AgentEvent::Usage(used));
        }
        let retries = completion.request_retries();
        if !retries.is_empty() {
            self.events.emit(AgentEvent::RequestRetried(retries));
        }
        let repairs = completion.request_repairs();
        if !repairs.is_empty() {
            self.events.emit(AgentEvent::RequestRepaired(repairs));
        }
        self.request_id = completion.request_id().map(str::to_owned);
        let has_alternatives = self.request.extra.get("n").is_some_and(|n| *n != 1);
        let choice = match has_alternatives {
            true => completion.choices.into_iter().next(),
            false => completion.into_choice(),
        };
        let Some(choice) = choice else {
            self.abandon(answering);
            let source = ModelError::invalid_response("`choices` is empty");
            return Err(AgentError::Model { turn, source });
        };
        if let Some(refusal) = choice.message.refusal.clone() {
            self.abandon(answering);
            let message = AssistantMessage {
                tool_calls: Vec::new(),
                function_call: None,
                ..choice.message
            };
            self.history.extend(vec![message.into_message()]);
            return Err(AgentError::Refused { refusal });
        }
        self.settle(turn, answering, choice).await
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.history.writer.lock()
    }

    /// Requests until a message is received to its end: once, unless a call is malformed in a way
    /// that a retry may fix.
    async fn ask<'a>(
        &mut self,
        turn: usize,
        streamed: bool,
        dispatcher: &'a Dispatcher,
    ) -> Result<(Answering<'a>, Completion), AgentError> {
        let mut tries = MOST_TRIES;
        loop {
            tries -= 1;
            if self.agent.config.cancellation.is_cancelled() {
                return Err(AgentError::Cancelled);
            }
            self.events.report_turn_started(turn);
            let parser = MessageParser::new(dispatcher.tools(), self.asked)
                .with_profile(&self.prepared.profile)
                .with_split_calls(self.agent.config.split_calls);
            let start_policy = self.agent.config.start_policy;
            let answering = Answering::new(dispatcher, parser, start_policy);
            let mut unsettled = Unsettled::new(answering, &self.history);
            let span = span::of_request(&self.request.model, streamed);
            let received =
                unsettled.receive(&self.agent, &self.request, streamed, &mut self.events);
            let received = received.instrument(span.clone()).await;
            match &received {
                Ok(completion) => span::note_answer(&span, completion),
                Err(RequestFailure::Failed(error)) => span::note_model_error(&span, error),
                Err(RequestFailure::Cancelled) => span::note_error(&span, "cancelled"),
            }
            drop(span);
            let Some(answering) = unsettled.take() else {
                return Err(AgentError::Cancelled);
            };
            let failure = match received {
                Ok(completion) => return Ok((answering, completion)),
                Err(failure) => failure,
            };
            let has_started = self.abandon(answering);
            match failure {
                RequestFailure::Cancelled => return Err(AgentError::Cancelled),
                RequestFailure::Failed(source)
                    if has_started || tries == 0 || !source.is_malformed_call() =>
                {
                    return Err(AgentError::Model { turn, source });
                }
                RequestFailure::Failed(_) => {}
            }
        }
    }

    /// Runs the calls of a message that is over, and puts both into the history together.
    async fn settle(
        &mut self,
        turn: usize,
        answering: Answering<'_>,
        choice: Choice,
    ) -> Result<Turn, AgentError> {
        let (finish_reason, is_cut) = (choice.finish_reason.clone(), choice.is_cut());
        let (received, mut running) = answering.finish(choice, &mut self.events);
        if received.parsed.calls.is_empty() {
            let text = received.parsed.message.text();
            if text.is_empty() {
                // After its tools have run, a model may have nothing to add.
                return match !is_cut && follows_results(&self.state().history.messages) {
                    true => Ok(Turn::FinalText(FinalText::new(text, finish_reason))),
                    false => Err(AgentError::NoAnswer { finish_reason }),
                };
            }
            self.history.keep(received, &[]);
            return Ok(Turn::FinalText(FinalText::new(text, finish_reason)));
        }
        let calls = received.parsed.calls.clone();
        self.events.emit(AgentEvent::ToolCallsReady(calls));
        running.end();
        let text = received.parsed.message.text();
        let (received, cancelled, results) = self.settled((received, running)).await?;
        if !cancelled && results.iter().any(|result| result.held_for().is_some()) {
            self.events.report_results(&results);
            let (history, usage) = (self.state().history.clone(), self.usage.clone());
            let suspended = Suspended::new(history, received, results, turn, usage)
                .with_repeated(self.latest.clone());
            return Ok(Turn::Held(Box::new(suspended)));
        }
        self.commit(received, &results);
        if cancelled {
            return Err(AgentError::Cancelled);
        }
        match fatal(&results) {
            Some(fatal) => Err(fatal),
            None => Ok(Turn::Called { text, results }),
        }
    }

    /// The message never ends, or does not count. What has run of it stays; whether anything has.
    fn abandon(&mut self, answering: Answering<'_>) -> bool {
        let Some((received, results)) = answering.abandon() else {
            return false;
        };
        self.commit(received, &results);
        true
    }

    fn commit(&mut self, received: ReceivedMessage, results: &[ToolResult]) {
        self.history.keep(received, results);
        self.events.report_results(results);
    }
}

/// Whether the last messages of a history are results.
fn follows_results(messages: &[Message]) -> bool {
    let mut latest = messages.iter().rev();
    match latest.next() {
        // Their images are behind them.
        Some(Message::User(text)) if text.content.is_array() => {
            latest.next().is_some_and(is_result)
        }
        latest => latest.is_some_and(is_result),
    }
}

/// Whether a message is the result of a call.
pub(super) fn is_result(message: &Message) -> bool {
    match message {
        Message::Tool(_) => true,
        Message::Other(keys) => keys.get("role").is_some_and(|role| role == "function"),
        _ => false,
    }
}

/// The error that a tool stopped the run with, if one did.
fn fatal(results: &[ToolResult]) -> Option<AgentError> {
    results.iter().find_map(|result| {
        let tool = result.name().to_owned();
        let source = result.outcome().err().filter(|error| error.is_fatal())?;
        let source = source.clone();
        Some(AgentError::Fatal { tool, source })
    })
}

/// The result of a turn.
enum Turn {
    /// Calls and their results, and the model's text beside them.
    Called {
        text: String,
        results: Vec<ToolResult>,
    },
    /// The reply.
    FinalText(FinalText),
    /// Calls that wait for decisions.
    Held(Box<Suspended>),
}

/// The final text of the model, and its finish reason.
struct FinalText {
    text: String,
    finish_reason: Option<String>,
}

impl FinalText {
    fn new(text: String, finish_reason: Option<String>) -> Self {
        Self {
            text,
            finish_reason,
        }
    }
}
