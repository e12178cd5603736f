//! The loop: ask the model, run what it calls, tell it the results, until it answers.

use std::fmt;

use tool_core::serde_json::{Map, Value};
use tool_core::{Dispatcher, ToolCall, ToolError, ToolResult, ToolSet};

use crate::chat::{self, AssistantMessage, Choice, Message, Reading, Request, Usage};
use crate::error::{AgentError, ModelError};
use crate::model::ChatModel;

/// A conversation with a model that may call tools.
///
/// [`run`](Self::run) asks, runs all calls of each message at once, and returns the model's reply. Its history stays valid
/// whatever happens: a message with calls and all their results enter it together, so a run that fails or is dropped can be
/// followed by another.
///
/// ```no_run
/// // `no_run`: asks a real service.
/// use tool_core::{Dispatcher, tool, tools};
/// use tool_openai::{Agent, OpenAi};
///
/// /// Get the weather in a city.
/// #[tool(read_only)]
/// async fn get_weather(city: &str) -> String {
///     format!("sunny in {city}")
/// }
///
/// # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
/// let reply = Agent::new(OpenAi::from_env()?, "gpt-4o")
///     .system("Answer in one sentence.")
///     .tools(Dispatcher::new(tools![get_weather]))
///     .encourage_parallel()
///     .run("How is the weather in Oslo and in Rome?")
///     .await?;
/// println!("{reply}");
/// # Ok(())
/// # }
/// ```
pub struct Agent {
    model: Box<dyn ChatModel>,
    model_name: String,
    system: Option<String>,
    encourage_parallel: bool,
    extra: Map<String, Value>,
    dispatcher: Dispatcher,
    max_turns: u32,
    on_event: Option<OnEvent>,
    messages: Vec<Message>,
    usage: Usage,
}

type OnEvent = Box<dyn FnMut(AgentEvent<'_>) + Send>;

const OWN_KEYS: [&str; 4] = ["model", "messages", "tools", "stream"];

/// Turns a run may take, unless set.
const MAX_TURNS: u32 = 10;

const PARALLEL_GUIDANCE: &str = "When you need several pieces of information and none of them depends on another, ask for all of them at \
once: put all of those tool calls into one message. Make a later call only when it needs the result of an earlier one.";

/// What happens in a run, as it happens.
#[derive(Debug)]
#[non_exhaustive]
pub enum AgentEvent<'a> {
    /// The model is about to be asked.
    Asking {
        /// The turn, from 1.
        turn: u32,
    },
    /// The model has asked for these calls, in one message. They are about to run.
    Calls(&'a [ToolCall]),
    /// All of them are answered: one result per call, in call order.
    Results(&'a [ToolResult]),
}

/// The model's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// What the model says.
    pub text: String,
    /// Why it stopped, in the service's word: `stop`, or `length` if the text is cut short.
    pub finish_reason: Option<String>,
    /// How often the model was asked in this run.
    pub turns: u32,
    /// Tokens used by this run, where the service counts them.
    pub usage: Usage,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Agent {
    /// A conversation with the model that the service knows as `model_name`. Without tools, until
    /// [`tools`](Self::tools) gives it some.
    pub fn new(model: impl ChatModel + 'static, model_name: impl Into<String>) -> Self {
        Self {
            model: Box::new(model),
            model_name: model_name.into(),
            system: None,
            encourage_parallel: false,
            extra: Map::new(),
            dispatcher: Dispatcher::new(ToolSet::default()),
            max_turns: MAX_TURNS,
            on_event: None,
            messages: Vec::new(),
            usage: Usage::default(),
        }
    }

    /// Sets the instructions that stand before the conversation.
    #[must_use]
    pub fn system(self, prompt: impl Into<String>) -> Self {
        Self { system: Some(prompt.into()), ..self }
    }

    /// Gives the model tools to call.
    #[must_use]
    pub fn tools(self, dispatcher: Dispatcher) -> Self {
        Self { dispatcher, ..self }
    }

    /// Adds guidance to the instructions: independent calls belong into one message.
    #[must_use]
    pub fn encourage_parallel(self) -> Self {
        Self { encourage_parallel: true, ..self }
    }

    /// Sets how often a run may ask the model; 10 unless set, and at least once.
    #[must_use]
    pub fn max_turns(self, turns: u32) -> Self {
        Self { max_turns: turns.max(1), ..self }
    }

    /// Adds a key to every request: `temperature`, `max_completion_tokens`, `reasoning_effort` and so on. The keys that the
    /// agent writes itself (`model`, `messages`, `tools`, `stream`) are not taken.
    #[must_use]
    pub fn parameter(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        let key = key.into();
        if !OWN_KEYS.contains(&key.as_str()) {
            self.extra.insert(key, value.into());
        }
        self
    }

    /// Calls `on_event` with whatever happens in a run, as it happens.
    #[must_use]
    pub fn on_event(self, on_event: impl FnMut(AgentEvent<'_>) + Send + 'static) -> Self {
        Self { on_event: Some(Box::new(on_event)), ..self }
    }

    /// Goes on from an earlier conversation. Shape: messages without the instructions, as
    /// [`messages`](Self::messages) gives them.
    #[must_use]
    pub fn history(self, messages: Vec<Message>) -> Self {
        Self { messages, ..self }
    }

    /// The conversation so far, without the instructions. Every call the agent put there is answered.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Tokens used by all runs, where the service counts them.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Says `prompt` to the model and returns its reply, after running whatever tools it calls on the way.
    ///
    /// # Errors
    /// Each [`AgentError`] says why there is no reply and what of the run is in the history.
    pub async fn run(&mut self, prompt: impl Into<String>) -> Result<Reply, AgentError> {
        self.messages.push(Message::user(prompt));
        self.resume().await
    }

    /// Goes on from where the conversation stands, after [`AgentError::TurnLimit`] or a model that could not be reached.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub async fn resume(&mut self) -> Result<Reply, AgentError> {
        let mut usage = Usage::default();
        for turn in 1..=self.max_turns {
            let choice = self.ask(turn, &mut usage).await?;
            if let Some(refusal) = choice.message.refusal.clone() {
                self.messages.push(AssistantMessage { tool_calls: Vec::new(), ..choice.message }.into_message());
                return Err(AgentError::Refused { refusal });
            }
            let finish_reason = choice.finish_reason.clone();
            let reading = choice.read(self.dispatcher.tools(), self.messages.len());
            if reading.calls.is_empty() {
                return self.answer(turn, usage, reading.message, finish_reason);
            }
            self.run_calls(reading).await?;
        }
        Err(AgentError::TurnLimit { turns: self.max_turns })
    }

    async fn ask(&mut self, turn: u32, usage: &mut Usage) -> Result<Choice, AgentError> {
        self.emit(AgentEvent::Asking { turn });
        let request = self.request()?;
        let completion = self.model.complete(&request).await.map_err(|source| AgentError::Model { turn, source })?;
        let used = completion.usage.unwrap_or_default();
        *usage += &used;
        self.usage += &used;
        let Some(choice) = completion.choices.into_iter().next() else {
            let source = ModelError::NotACompletion { reason: "`choices` is empty".to_owned(), body: String::new() };
            return Err(AgentError::Model { turn, source });
        };
        Ok(choice)
    }

    fn request(&self) -> Result<Request, AgentError> {
        let guidance = (self.encourage_parallel && !self.dispatcher.tools().is_empty()).then_some(PARALLEL_GUIDANCE);
        let instructions: Vec<&str> = self.system.as_deref().into_iter().chain(guidance).collect();
        let system = (!instructions.is_empty()).then(|| Message::system(instructions.join("\n\n")));
        Ok(Request {
            model: self.model_name.clone(),
            messages: system.into_iter().chain(self.messages.iter().cloned()).collect(),
            tools: chat::tools(self.dispatcher.tools())?,
            parallel_tool_calls: None,
            stream: None,
            extra: self.extra.clone(),
        })
    }

    async fn run_calls(&mut self, reading: Reading) -> Result<(), AgentError> {
        self.emit(AgentEvent::Calls(&reading.calls));
        let results = self.dispatcher.dispatch(reading.calls.clone()).await;
        // Nothing is awaited in between: the message and all its results enter the history together.
        let replies = reading.replies(&results);
        self.messages.push(reading.message.into_message());
        self.messages.extend(replies);
        self.emit(AgentEvent::Results(&results));
        let fatal = |result: ToolResult| {
            let tool = result.name().to_owned();
            let source = result.into_outcome().err().filter(ToolError::is_fatal)?;
            Some(AgentError::Fatal { tool, source })
        };
        results.into_iter().find_map(fatal).map_or(Ok(()), Err)
    }

    fn answer(&mut self, turns: u32, usage: Usage, message: AssistantMessage, finish_reason: Option<String>) -> Result<Reply, AgentError> {
        let text = message.text();
        if text.is_empty() {
            return Err(AgentError::NoAnswer { finish_reason });
        }
        self.messages.push(message.into_message());
        Ok(Reply { text, finish_reason, turns, usage })
    }

    fn emit(&mut self, event: AgentEvent<'_>) {
        if let Some(on_event) = &mut self.on_event {
            on_event(event);
        }
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("model_name", &self.model_name)
            .field("tools", self.dispatcher.tools())
            .field("messages", &self.messages.len())
            .finish_non_exhaustive()
    }
}
