//! The loop: ask the model, run what it calls, send it the results, until it answers.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tool_core::{DispatchEvent, Dispatcher, StreamingBatch, ToolError, ToolResult};

use super::message::{Answering, Heard};
use super::returned;
use super::stream::Queue;
use super::{Agent, AgentEvent, AgentStream, OWN_KEYS, Reply, StartPolicy};
use crate::chat::{
    self, AssistantMessage, Choice, Completion, InvalidToolsError, Message, MessageParser, Request,
    Tool, Usage,
};
use crate::error::{AgentError, ModelError};
use crate::model::{ModelEvent, whole};
use crate::profile::Profile;

/// How often a turn is asked for when the model botches its calls.
const MOST_TRIES: usize = 3;

const PARALLEL_GUIDANCE: &str = "When you need several pieces of information and none of them depends on another, ask for all of them at \
once: put all of those tool calls into one message. Make a later call only when it needs the result of an earlier one.";

impl Agent {
    /// Says `prompt` to the model and returns its reply, after running whatever tools it calls on
    /// the way.
    ///
    /// # Errors
    /// Each [`AgentError`] says why there is no reply and what of the run is in the history.
    pub async fn run(&mut self, prompt: impl Into<String>) -> Result<Reply, AgentError> {
        self.messages.push(Message::user(prompt));
        self.resume().await
    }

    /// Goes on from where the conversation stands, after [`AgentError::TurnLimit`] or a model that
    /// could not be reached.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub async fn resume(&mut self) -> Result<Reply, AgentError> {
        let streamed = self.start_policy != StartPolicy::StreamEnd;
        self.events.queue = None;
        self.turns(streamed).await
    }

    /// As [`run`](Self::run), told while it happens, text as the model writes it.
    pub fn stream(&mut self, prompt: impl Into<String>) -> AgentStream<'_> {
        self.told(Some(Message::user(prompt)))
    }

    /// As [`resume`](Self::resume), told while it happens.
    pub fn resume_stream(&mut self) -> AgentStream<'_> {
        self.told(None)
    }

    /// Nothing happens before the stream is polled.
    fn told(&mut self, prompt: Option<Message>) -> AgentStream<'_> {
        let queue = Queue::default();
        let events = Arc::clone(&queue);
        let run = async move {
            self.messages.extend(prompt);
            self.events.queue = Some(events);
            self.turns(true).await
        };
        AgentStream::new(run, queue)
    }

    async fn turns(&mut self, streamed: bool) -> Result<Reply, AgentError> {
        if !self.repairs.is_empty() {
            let repairs = std::mem::take(&mut self.repairs);
            self.events.tell(AgentEvent::HistoryRepaired(repairs));
        }
        let mut parameters = self.extra.keys();
        if let Some(key) = parameters.find(|key| OWN_KEYS.contains(&key.as_str())) {
            return Err(AgentError::Parameter { key: key.clone() });
        }
        let (tools, left_out) = self.offer()?;
        if !left_out.is_empty() {
            self.events.tell(AgentEvent::ToolsLeftOut(left_out));
        }
        let mut usage = Usage::default();
        for turn in 1..=self.max_turns {
            let request = self.request(turn, &tools)?;
            if let Some(said) = self.turn(turn, &request, streamed, &mut usage).await? {
                return Ok(Reply {
                    text: said.text,
                    finish_reason: said.finish_reason,
                    request_id: said.request_id,
                    turns: turn,
                    usage,
                });
            }
        }
        Err(AgentError::TurnLimit {
            turns: self.max_turns,
        })
    }

    /// Asks the model once and runs what it calls. If it calls nothing, what it says and why it
    /// stopped.
    async fn turn(
        &mut self,
        turn: usize,
        request: &Request,
        streamed: bool,
        usage: &mut Usage,
    ) -> Result<Option<Said>, AgentError> {
        let dispatcher = self.dispatcher.clone();
        let (answering, mut completion) = self.ask(turn, request, streamed, &dispatcher).await?;
        if let Some(used) = completion.usage.take() {
            *usage += &used;
            self.usage += &used;
            self.events.tell(AgentEvent::Usage(used));
        }
        let repairs = completion.request_repairs();
        if !repairs.is_empty() {
            self.events.tell(AgentEvent::RequestRepaired(repairs));
        }
        let request_id = completion.request_id().map(str::to_owned);
        let has_alternatives = self.extra.get("n").is_some_and(|n| *n != 1);
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
            let mut message = AssistantMessage {
                tool_calls: Vec::new(),
                function_call: None,
                ..choice.message
            }
            .into_message();
            returned::note_model(&mut message, &self.model_name);
            self.messages.push(message);
            return Err(AgentError::Refused { refusal });
        }
        let said = self.settle(answering, choice).await?;
        Ok(said.map(|said| Said { request_id, ..said }))
    }

    /// Asks until the model is heard to the end of a message: once, unless it botches a call in a
    /// way that asking again may repair.
    async fn ask<'a>(
        &mut self,
        turn: usize,
        request: &Request,
        streamed: bool,
        dispatcher: &'a Dispatcher,
    ) -> Result<(Answering<'a>, Completion), AgentError> {
        let mut tries = MOST_TRIES;
        loop {
            tries -= 1;
            if self.cancellation.is_cancelled() {
                return Err(AgentError::Cancelled);
            }
            self.events.tell_turn_started(turn);
            let parser = MessageParser::new(dispatcher.tools(), self.messages.len())
                .with_profile(&self.service_profile())
                .with_split_calls(self.split_calls);
            let mut answering = Answering::new(dispatcher, parser, self.start_policy);
            let heard = self.hear(request, streamed, &mut answering).await;
            let unheard = match heard {
                Ok(completion) => return Ok((answering, completion)),
                Err(unheard) => unheard,
            };
            let has_started = self.abandon(answering);
            match unheard {
                Unheard::Cancelled => return Err(AgentError::Cancelled),
                Unheard::Failed(source)
                    if has_started || tries == 0 || !source.is_botched_call() =>
                {
                    return Err(AgentError::Model { turn, source });
                }
                Unheard::Failed(_) => {}
            }
        }
    }

    /// Listens to the model until its message is over, while what it has called by then may run.
    async fn hear(
        &mut self,
        request: &Request,
        streamed: bool,
        answering: &mut Answering<'_>,
    ) -> Result<Completion, Unheard> {
        let Self {
            model,
            cancellation,
            events,
            ..
        } = self;
        let mut cancelled = pin!(cancellation.cancelled());
        let mut model = if streamed {
            model.stream(request)
        } else {
            whole(model.complete(request))
        };
        loop {
            let step = poll_fn(|cx| {
                if cancelled.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Step::Cancelled);
                }
                if let Poll::Ready(event) = model.as_mut().poll_next(cx) {
                    return Poll::Ready(Step::Model(event));
                }
                poll_event(&mut answering.running, cx).map(Step::Tools)
            });
            match step.await {
                Step::Cancelled => return Err(Unheard::Cancelled),
                Step::Tools(event) => event
                    .into_iter()
                    .for_each(|event| events.tell_of_tools(event)),
                Step::Model(Some(Ok(ModelEvent::Finished(completion)))) => return Ok(completion),
                Step::Model(Some(Ok(event))) => answering.hear(event, events),
                Step::Model(Some(Err(error))) => return Err(Unheard::Failed(error)),
                Step::Model(None) => {
                    let reason = "the stream ended before its message did";
                    return Err(Unheard::Failed(ModelError::invalid_response(reason)));
                }
            }
        }
    }

    /// Runs the calls of a message that is over, and puts both into the history together.
    async fn settle(
        &mut self,
        answering: Answering<'_>,
        choice: Choice,
    ) -> Result<Option<Said>, AgentError> {
        let (finish_reason, is_cut) = (choice.finish_reason.clone(), choice.is_cut());
        let (heard, mut running) = answering.finish(choice, &mut self.events);
        if heard.parsed.calls.is_empty() {
            let text = heard.parsed.message.text();
            if text.is_empty() {
                // After its tools have run, a model may have nothing to add.
                return match !is_cut && self.follows_results() {
                    true => Ok(Some(Said::new(text, finish_reason))),
                    false => Err(AgentError::NoAnswer { finish_reason }),
                };
            }
            self.keep(heard, &[]);
            return Ok(Some(Said::new(text, finish_reason)));
        }
        self.events
            .tell(AgentEvent::ToolCallsReady(heard.parsed.calls.clone()));
        running.end();
        let cancelled = self.watch(&mut running).await.is_err();
        let results = if cancelled {
            running.cancel()
        } else {
            running.finish().await
        };
        self.commit(heard, &results);
        if cancelled {
            return Err(AgentError::Cancelled);
        }
        let fatal = |result: ToolResult| {
            let tool = result.name().to_owned();
            let source = result.into_outcome().err().filter(ToolError::is_fatal)?;
            Some(AgentError::Fatal { tool, source })
        };
        results.into_iter().find_map(fatal).map_or(Ok(None), Err)
    }

    /// Whether the last messages of the history are results.
    fn follows_results(&self) -> bool {
        let is_result = |message: &Message| match message {
            Message::Tool(_) => true,
            Message::Other(keys) => keys.get("role").is_some_and(|role| role == "function"),
            _ => false,
        };
        let mut latest = self.messages.iter().rev();
        match latest.next() {
            // Their images stand behind them.
            Some(Message::User(text)) if text.content.is_array() => {
                latest.next().is_some_and(is_result)
            }
            latest => latest.is_some_and(is_result),
        }
    }

    /// Waits until every call is answered, or the run is cancelled.
    async fn watch(&mut self, running: &mut StreamingBatch) -> Result<(), Cancelled> {
        let Self {
            cancellation,
            events,
            ..
        } = self;
        let mut cancelled = pin!(cancellation.cancelled());
        loop {
            let step = poll_fn(|cx| match cancelled.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(Cancelled)),
                Poll::Pending => poll_event(running, cx).map(Ok),
            });
            match step.await? {
                Some(event) => events.tell_of_tools(event),
                None => return Ok(()),
            }
        }
    }

    /// The message never ends, or does not count. What has run of it stays; whether anything has.
    fn abandon(&mut self, answering: Answering<'_>) -> bool {
        let Some((heard, results)) = answering.abandon() else {
            return false;
        };
        self.commit(heard, &results);
        true
    }

    /// Nothing is awaited in between: a message and all its results enter the history together.
    fn commit(&mut self, heard: Heard, results: &[ToolResult]) {
        self.keep(heard, results);
        self.events.tell_results(results);
    }

    fn keep(&mut self, heard: Heard, results: &[ToolResult]) {
        let mut messages = heard.into_messages(results, &self.service_profile());
        for message in &mut messages {
            returned::note_model(message, &self.model_name);
        }
        self.messages.extend(messages);
    }

    /// The tools as they are offered to the service, and why others are not.
    fn offer(&self) -> Result<(Vec<Tool>, Vec<InvalidToolsError>), InvalidToolsError> {
        let tools = self.dispatcher.tools();
        let (mut offered, mut left_out) =
            chat::tools_for(tools, &self.service_profile())?.into_parts();
        for (name, format) in &self.custom_tools {
            let definition = tools
                .definition(name)
                .ok_or_else(|| InvalidToolsError::NotText {
                    tool: name.clone(),
                    reason: "there is no such tool",
                })?;
            let custom = match chat::custom(definition, format) {
                Ok(custom) => custom,
                Err(error @ InvalidToolsError::NotText { .. }) => return Err(error),
                Err(_) => continue, // it is left out already
            };
            match offered.iter_mut().find(|tool| tool.function.name == *name) {
                Some(as_function) => *as_function = custom,
                None => {
                    left_out.retain(|error| error.tool() != Some(name));
                    offered.push(custom);
                }
            }
        }
        Ok((offered, left_out))
    }

    fn service_profile(&self) -> Profile {
        let of_model = self.model.profile();
        match &self.profile {
            Some(profile) => profile.clone().with_images_as_in(&of_model),
            None => of_model,
        }
    }

    fn request(&self, turn: usize, tools: &[Tool]) -> Result<Request, AgentError> {
        let guidance = (self.parallel_guidance && !tools.is_empty()).then_some(PARALLEL_GUIDANCE);
        let instructions: Vec<&str> = self
            .instructions
            .as_deref()
            .into_iter()
            .chain(guidance)
            .collect();
        let system = (!instructions.is_empty()).then(|| Message::system(instructions.join("\n\n")));
        let mut messages: Vec<Message> = system.into_iter().chain(self.messages.clone()).collect();
        let profile = self.service_profile();
        returned::fit(&mut messages, &profile, &self.model_name);
        if profile.alternates() {
            chat::answer_results(&mut messages);
        }
        let request = Request {
            model: self.model_name.clone(),
            messages,
            tools: tools.to_vec(),
            tool_choice: self.tool_choice.clone().filter(|_| turn == 1),
            parallel_tool_calls: self.parallel_tool_calls,
            stream: None,
            extra: self.extra.clone(),
        };
        request.check_tool_choice()?;
        Ok(request)
    }
}

/// What the model says, and why it stopped.
struct Said {
    text: String,
    finish_reason: Option<String>,
    request_id: Option<String>,
}

impl Said {
    fn new(text: String, finish_reason: Option<String>) -> Self {
        Self {
            text,
            finish_reason,
            request_id: None,
        }
    }
}

/// What happens next while a model writes.
enum Step {
    Model(Option<Result<ModelEvent, ModelError>>),
    Tools(Option<DispatchEvent>),
    Cancelled,
}

/// Why a message was not heard to its end.
enum Unheard {
    Failed(ModelError),
    Cancelled,
}

struct Cancelled;

fn poll_event(running: &mut StreamingBatch, cx: &mut Context<'_>) -> Poll<Option<DispatchEvent>> {
    Pin::new(running).poll_next(cx)
}
