//! The loop: ask the model, run what it calls, send it the results, until it answers.

mod event;
mod message;
mod returned;
mod run;
mod stream;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::PoisonError;

use tokio_util::sync::CancellationToken;
use tool_core::serde_json::{Map, Value};
use tool_core::{DispatchEvent, Dispatcher, ToolResult, ToolSet};

use crate::chat::{self, HistoryRepair, Message, TextFormat, ToolChoice, Usage};
use crate::model::ChatModel;
use crate::profile::Profile;

pub use event::{AgentEvent, Reply, StartPolicy};
pub use stream::AgentStream;

/// A conversation with a model that may call tools.
///
/// [`run`](Self::run) asks, runs all calls of each message at once, and returns the model's reply.
/// Its history stays valid whatever happens: a message with calls and all their results enter it
/// together, so a run that fails or is dropped can be followed by another.
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
///     .with_instructions("Answer in one sentence.")
///     .with_tools(Dispatcher::new(tools![get_weather]))
///     .with_parallel_guidance()
///     .run("How is the weather in Oslo and in Rome?")
///     .await?;
/// println!("{reply}");
/// # Ok(())
/// # }
/// ```
pub struct Agent {
    model: Box<dyn ChatModel>,
    model_name: String,
    instructions: Option<String>,
    parallel_guidance: bool,
    profile: Option<Profile>,
    custom_tools: Vec<(String, TextFormat)>,
    tool_choice: Option<ToolChoice>,
    parallel_tool_calls: Option<bool>,
    split_calls: bool,
    extra: Map<String, Value>,
    dispatcher: Dispatcher,
    start_policy: StartPolicy,
    max_turns: usize,
    cancellation: CancellationToken,
    events: Events,
    messages: Vec<Message>,
    repairs: Vec<HistoryRepair>,
    usage: Usage,
}

/// Who is told what happens.
#[derive(Default)]
struct Events {
    on_event: Option<Box<dyn FnMut(AgentEvent) + Send>>,
    queue: Option<stream::Queue>,
    /// Positions of the calls of this turn whose results are told.
    answered: BTreeSet<usize>,
}

impl Events {
    fn tell(&mut self, event: AgentEvent) {
        if let Some(queue) = &self.queue {
            queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_back(event.clone());
        }
        if let Some(on_event) = &mut self.on_event {
            on_event(event);
        }
    }

    fn tell_of_tools(&mut self, event: DispatchEvent) {
        match event {
            DispatchEvent::Progress(progress) => self.tell(AgentEvent::Progress(progress)),
            DispatchEvent::Result(result) => {
                self.answered.insert(result.position());
                self.tell(AgentEvent::Result(result));
            }
            _ => {}
        }
    }

    fn tell_turn_started(&mut self, turn: usize) {
        self.answered.clear();
        self.tell(AgentEvent::TurnStarted { turn });
    }

    /// Calls that were stopped have results that nothing has told of yet.
    fn tell_results(&mut self, results: &[ToolResult]) {
        for result in results {
            if self.answered.insert(result.position()) {
                self.tell(AgentEvent::Result(result.clone()));
            }
        }
        self.tell(AgentEvent::Results(results.to_vec()));
    }
}

const OWN_KEYS: [&str; 6] = [
    "model",
    "messages",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "stream",
];

/// Turns a run may take, unless set.
const MAX_TURNS: usize = 10;

impl Agent {
    /// A conversation with the model that the service knows as `model_name`. Without tools, until
    /// [`with_tools`](Self::with_tools) gives it some.
    pub fn new(model: impl ChatModel + 'static, model_name: impl Into<String>) -> Self {
        Self {
            model: Box::new(model),
            model_name: model_name.into(),
            instructions: None,
            parallel_guidance: false,
            profile: None,
            custom_tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            split_calls: false,
            extra: Map::new(),
            dispatcher: Dispatcher::new(ToolSet::default()),
            start_policy: StartPolicy::default(),
            max_turns: MAX_TURNS,
            cancellation: CancellationToken::new(),
            events: Events::default(),
            messages: Vec::new(),
            repairs: Vec::new(),
            usage: Usage::default(),
        }
    }

    /// Sets the instructions that stand before the conversation, as a system message.
    #[must_use]
    pub fn with_instructions(self, instructions: impl Into<String>) -> Self {
        Self {
            instructions: Some(instructions.into()),
            ..self
        }
    }

    /// Gives the model tools to call: a `ToolSet`, or a [`Dispatcher`] that has limits, a policy or
    /// layers.
    #[must_use]
    pub fn with_tools(self, tools: impl Into<Dispatcher>) -> Self {
        Self {
            dispatcher: tools.into(),
            ..self
        }
    }

    /// Adds guidance to the instructions: independent calls belong into one message.
    #[must_use]
    pub fn with_parallel_guidance(self) -> Self {
        Self {
            parallel_guidance: true,
            ..self
        }
    }

    /// Sets how many turns a run may take, that is, how often it may ask the model; 10 unless set.
    /// 0 is taken as 1.
    #[must_use]
    pub fn with_max_turns(self, turns: usize) -> Self {
        Self {
            max_turns: turns.max(1),
            ..self
        }
    }

    /// Sets what the service is known to take; what [`ChatModel::profile`] says, unless set.
    #[must_use]
    pub fn with_profile(self, profile: Profile) -> Self {
        Self {
            profile: Some(profile),
            ..self
        }
    }

    /// Offers one of the tools as a [custom](chat::custom) one, which takes free text; asking for
    /// one that cannot is an error of the run.
    #[must_use]
    pub fn with_custom_tool(mut self, tool: impl Into<String>, format: TextFormat) -> Self {
        self.custom_tools.push((tool.into(), format));
        self
    }

    /// Sets what the model may or must call in its first message of a run. In later ones it chooses
    /// freely: one that has to call a tool each time never answers.
    #[must_use]
    pub fn with_tool_choice(self, choice: ToolChoice) -> Self {
        Self {
            tool_choice: Some(choice),
            ..self
        }
    }

    /// Sets whether the model may ask for several calls in one message. Not sent unless set: some
    /// models refuse the key.
    #[must_use]
    pub fn with_parallel_tool_calls(self, allowed: bool) -> Self {
        Self {
            parallel_tool_calls: Some(allowed),
            ..self
        }
    }

    /// Takes several different objects in the arguments of one call for as many calls, as
    /// [`MessageParser::with_split_calls`](chat::MessageParser::with_split_calls) does. Unless set, such a call is answered with an
    /// error.
    #[must_use]
    pub fn with_split_calls(self, split_calls: bool) -> Self {
        Self {
            split_calls,
            ..self
        }
    }

    /// Sets when calls may start. With anything but [`StartPolicy::StreamEnd`], answers are
    /// streamed.
    #[must_use]
    pub fn with_start_policy(self, start_policy: StartPolicy) -> Self {
        Self {
            start_policy,
            ..self
        }
    }

    /// Adds a key to every request: `temperature`, `max_completion_tokens`, `reasoning_effort` and
    /// so on. The keys that the agent writes itself (`model`, `messages`, `tools`, `tool_choice`,
    /// `parallel_tool_calls`, `stream`) are not taken: the run ends with
    /// [`AgentError::Parameter`](crate::AgentError::Parameter).
    #[must_use]
    pub fn with_parameter(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(key.into(), value.into());
        self
    }

    /// Calls `on_event` with whatever happens in a run, as it happens.
    #[must_use]
    pub fn with_on_event(mut self, on_event: impl FnMut(AgentEvent) + Send + 'static) -> Self {
        self.events.on_event = Some(Box::new(on_event));
        self
    }

    /// Sets the token that cancels runs: when it is cancelled, the run ends with
    /// [`AgentError::Cancelled`](crate::AgentError::Cancelled). Calls that run are stopped at their
    /// next await, every call is answered, and the history takes them.
    ///
    /// A token stays cancelled: a run that begins with it ends before the model is asked. To go on
    /// with the conversation, set a new one.
    ///
    /// ```
    /// use tokio_util::sync::CancellationToken;
    /// use tool_openai::testing::ScriptedServer;
    /// use tool_openai::{Agent, AgentError};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = ScriptedServer::start([]).await?;
    /// let shutdown = CancellationToken::new();
    /// let mut agent = Agent::new(server.client()?, "scripted").with_cancellation(shutdown.clone());
    ///
    /// shutdown.cancel(); // by a signal handler, say
    /// assert!(matches!(agent.run("Hello?").await, Err(AgentError::Cancelled)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_cancellation(self, token: CancellationToken) -> Self {
        Self {
            cancellation: token,
            ..self
        }
    }

    /// Goes on from an earlier conversation. Shape: messages without the instructions, as
    /// [`messages`](Self::messages) gives them; they serialise as the `messages` of a request.
    ///
    /// What no service would accept is [repaired](chat::repair), as after a crash between a call
    /// and its answer; the next run tells of it as [`AgentEvent::HistoryRepaired`].
    #[must_use]
    pub fn history(self, mut messages: Vec<Message>) -> Self {
        let repairs = chat::repair(&mut messages);
        Self {
            messages,
            repairs,
            ..self
        }
    }

    /// The conversation so far, without the instructions. Every call the agent put there is
    /// answered.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Tokens used by all runs, where the service counts them.
    pub fn usage(&self) -> &Usage {
        &self.usage
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
