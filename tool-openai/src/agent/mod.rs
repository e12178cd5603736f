//! The agent loop: ask the model, run its tool calls, send it the results, until it answers.

mod conversation;
mod event;
mod events;
mod history;
mod message;
mod prepared;
mod returned;
mod run;
mod span;
mod stream;
mod suspended;
mod typed;
mod unsettled;

use std::fmt;
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;
use tool_core::serde_json::{Map, Value};
use tool_core::{Decision, Dispatcher, ToolResult, ToolSet};

use self::events::OnEvent;
use self::prepared::Prepared;
use self::typed::Answer;
use crate::chat::{InvalidToolsError, Message, Request, TextFormat, ToolChoice};
use crate::error::AgentError;
use crate::model::ChatModel;
use crate::profile::Profile;

pub use conversation::Conversation;
pub use event::{AgentEvent, Outcome, Reply, StartPolicy};
pub use history::History;
#[cfg(feature = "recording")]
pub(crate) use span::error_type;
pub use stream::AgentStream;
pub use suspended::Suspended;
pub use tool_core::LeftOutTool;

/// Agent: a model, its instructions and its tools, with the loop that runs tool calls.
///
/// It is cheap to clone, and many requests can share one. [`run`](Self::run) asks, runs all calls of
/// each message at once, and returns the model's reply; a [`conversation`](Self::conversation)
/// keeps the history.
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
#[derive(Clone)]
pub struct Agent {
    config: Arc<Config>,
}

#[derive(Clone)]
struct Config {
    model: Arc<dyn ChatModel>,
    model_name: String,
    name: Option<String>,
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
    on_event: Option<OnEvent>,
    stop_when: Vec<StopWhen>,
    final_tools: Vec<String>,
    token_budget: Option<u64>,
    loop_guard: Option<usize>,
    prepare_turn: Option<PrepareTurn>,
    answer: Option<Answer>,
    /// What requests have in common, made when the first is.
    prepared: OnceLock<Result<Arc<Prepared>, InvalidToolsError>>,
}

/// Whether a run ends after these results.
type StopWhen = Arc<dyn Fn(&[ToolResult]) -> bool + Send + Sync>;

/// Changes the request of one turn.
type PrepareTurn = Arc<dyn Fn(usize, &mut Request) + Send + Sync>;

impl Config {
    fn stops(&self, results: &[ToolResult]) -> bool {
        let is_final = |result: &ToolResult| {
            result.outcome().is_ok() && self.final_tools.iter().any(|tool| tool == result.name())
        };
        results.iter().any(is_final) || self.stop_when.iter().any(|stops| stops(results))
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
    /// An agent of the model that the service knows as `model_name`. Without tools, until
    /// [`with_tools`](Self::with_tools) gives it some.
    pub fn new(model: impl ChatModel + 'static, model_name: impl Into<String>) -> Self {
        let config = Config {
            model: Arc::new(model),
            model_name: model_name.into(),
            name: None,
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
            on_event: None,
            stop_when: Vec::new(),
            final_tools: Vec::new(),
            token_budget: None,
            loop_guard: None,
            prepare_turn: None,
            answer: None,
            prepared: OnceLock::new(),
        };
        Self {
            config: Arc::new(config),
        }
    }

    fn with(mut self, set: impl FnOnce(&mut Config)) -> Self {
        let config = Arc::make_mut(&mut self.config);
        config.prepared = OnceLock::new();
        set(config);
        self
    }

    /// The same agent with another model: one around its [`model`](Self::model), for example.
    #[must_use]
    pub fn with_model(self, model: impl ChatModel + 'static) -> Self {
        self.with(|config| config.model = Arc::new(model))
    }

    /// Sets the name that traces show for it: its runs are spans `invoke_agent {name}`.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        self.with(|config| config.name = Some(name.into()))
    }

    /// Sets the instructions that are before the conversation, as a system message.
    #[must_use]
    pub fn with_instructions(self, instructions: impl Into<String>) -> Self {
        self.with(|config| config.instructions = Some(instructions.into()))
    }

    /// Gives the model tools to call: a `ToolSet`, or a [`Dispatcher`] that has limits, a policy or
    /// layers.
    #[must_use]
    pub fn with_tools(self, tools: impl Into<Dispatcher>) -> Self {
        self.with(|config| config.dispatcher = tools.into())
    }

    /// Adds guidance to the instructions: independent calls belong into one message.
    #[must_use]
    pub fn with_parallel_guidance(self) -> Self {
        self.with(|config| config.parallel_guidance = true)
    }

    /// Sets how many turns a run may take, that is, how often it may ask the model; 10 unless set.
    /// 0 is taken as 1.
    #[must_use]
    pub fn with_max_turns(self, turns: usize) -> Self {
        self.with(|config| config.max_turns = turns.max(1))
    }

    /// Sets what the service is known to take; what [`ChatModel::profile`] says, unless set.
    #[must_use]
    pub fn with_profile(self, profile: Profile) -> Self {
        self.with(|config| config.profile = Some(profile))
    }

    /// Offers one of the tools as a [custom](crate::chat::custom) one, which takes free text; asking for
    /// one that cannot is an error of the run.
    #[must_use]
    pub fn with_custom_tool(self, tool: impl Into<String>, format: TextFormat) -> Self {
        self.with(|config| config.custom_tools.push((tool.into(), format)))
    }

    /// Sets what the model may or must call in its first message of a run. In later ones it chooses
    /// freely: one that has to call a tool each time never answers.
    #[must_use]
    pub fn with_tool_choice(self, choice: ToolChoice) -> Self {
        self.with(|config| config.tool_choice = Some(choice))
    }

    /// Sets whether the model may ask for several calls in one message. Not sent unless set: some
    /// models refuse the key.
    #[must_use]
    pub fn with_parallel_tool_calls(self, allowed: bool) -> Self {
        self.with(|config| config.parallel_tool_calls = Some(allowed))
    }

    /// Takes several different objects in the arguments of one call for as many calls, as
    /// [`MessageParser::with_split_calls`](crate::chat::MessageParser::with_split_calls) does. Unless set, such a call is answered with an
    /// error.
    #[must_use]
    pub fn with_split_calls(self, split_calls: bool) -> Self {
        self.with(|config| config.split_calls = split_calls)
    }

    /// Sets when calls may start. With anything but [`StartPolicy::StreamEnd`], answers are
    /// streamed.
    #[must_use]
    pub fn with_start_policy(self, start_policy: StartPolicy) -> Self {
        self.with(|config| config.start_policy = start_policy)
    }

    /// Adds a key to every request: `temperature`, `max_completion_tokens`, `reasoning_effort` and
    /// so on. The keys that the agent writes itself (`model`, `messages`, `tools`, `tool_choice`,
    /// `parallel_tool_calls`, `stream`) are not taken: the run ends with
    /// [`AgentError::Parameter`](crate::AgentError::Parameter).
    #[must_use]
    pub fn with_parameter(self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(|config| drop(config.extra.insert(key.into(), value.into())))
    }

    /// Calls `on_event` with each event of a run, as it happens.
    #[must_use]
    pub fn with_on_event(self, on_event: impl Fn(&AgentEvent) + Send + Sync + 'static) -> Self {
        self.with(|config| config.on_event = Some(Arc::new(on_event)))
    }

    /// Ends a run with [`Outcome::Stopped`] after a turn whose results `stop` accepts: they are in
    /// the history, and the model is not asked again. Of several conditions any one ends it.
    #[must_use]
    pub fn with_stop_when(
        self,
        stop: impl Fn(&[ToolResult]) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.with(|config| config.stop_when.push(Arc::new(stop)))
    }

    /// Ends a run with [`Outcome::Stopped`] when this tool has been called with success: one by which
    /// the model returns its final output. One that the agent does not have is an error of
    /// the run.
    #[must_use]
    pub fn with_final_tool(self, tool: impl Into<String>) -> Self {
        self.with(|config| config.final_tools.push(tool.into()))
    }

    /// Ends a run with [`AgentError::TokenBudget`] before a turn, once its turns have used so many
    /// tokens, where the service counts them. The turn that goes over it is whole. 0 is taken as 1.
    #[must_use]
    pub fn with_token_budget(self, tokens: u64) -> Self {
        self.with(|config| config.token_budget = Some(tokens.max(1)))
    }

    /// Ends a run with [`AgentError::Loop`] when the same calls have had the same results so often,
    /// turn after turn. Not unless set; 0 and 1 are taken as 2.
    #[must_use]
    pub fn with_loop_guard(self, times: usize) -> Self {
        self.with(|config| config.loop_guard = Some(times.max(2)))
    }

    /// Changes the request of each turn, counted from 1, before it is sent: other tools or another
    /// choice of them, fewer messages, another temperature. The changes are for that turn alone.
    ///
    /// A model may call a tool that it remembers and is not offered: what may run is decided by the
    /// tools of the agent and their policy, not here.
    #[must_use]
    pub fn with_prepare_turn(
        self,
        prepare: impl Fn(usize, &mut Request) + Send + Sync + 'static,
    ) -> Self {
        self.with(|config| config.prepare_turn = Some(Arc::new(prepare)))
    }

    /// Sets the token that cancels runs: when it is cancelled, the run ends with
    /// [`AgentError::Cancelled`](crate::AgentError::Cancelled). Calls that run are stopped at their
    /// next await, every call is answered, and the history takes them.
    ///
    /// A token stays cancelled: a run that begins with it ends before the model is asked. To
    /// continue with the conversation, set a new one.
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
    /// let agent = Agent::new(server.client()?, "scripted").with_cancellation(shutdown.clone());
    ///
    /// shutdown.cancel(); // by a signal handler, say
    /// assert!(matches!(agent.run("Hello?").await, Err(AgentError::Cancelled)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_cancellation(self, token: CancellationToken) -> Self {
        self.with(|config| config.cancellation = token)
    }

    /// The model that it asks.
    pub fn model(&self) -> &Arc<dyn ChatModel> {
        &self.config.model
    }

    /// What runs the calls of its model.
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.config.dispatcher
    }

    /// A new conversation.
    pub fn conversation(&self) -> Conversation {
        self.conversation_from(History::default())
    }

    /// Continues from an earlier conversation.
    ///
    /// An invalid history is [repaired](crate::chat::repair), as after a crash between a call and
    /// its answer; the next run reports it as [`AgentEvent::HistoryRepaired`].
    pub fn conversation_from(&self, history: impl Into<History>) -> Conversation {
        Conversation::new(self.clone(), history.into())
    }

    /// Sends `prompt` to the model in a new conversation, runs the tools that it calls, and returns
    /// its reply.
    ///
    /// # Errors
    /// Each [`AgentError`] states why there is no reply.
    ///
    /// # Cancel safety
    /// Dropping the future stops the request and the tools, and the history is lost; keep a
    /// [`conversation`](Self::conversation) where it matters.
    pub async fn run(&self, prompt: impl Into<Message>) -> Result<Reply, AgentError> {
        self.conversation().run(prompt).await
    }

    /// As [`run`](Self::run), as a stream of events, with text as the model writes it.
    pub fn stream(&self, prompt: impl Into<Message>) -> AgentStream {
        self.conversation().stream(prompt)
    }

    /// Resumes a run that was [suspended](Outcome::Suspended) for approval, as
    /// [`Conversation::resume_with`] does. To continue afterwards, resume it in a conversation.
    ///
    /// # Errors
    /// As for [`Conversation::resume_with`].
    ///
    /// # Cancel safety
    /// As for [`run`](Self::run): keep the stored run until its outcome is stored.
    pub async fn resume(
        &self,
        suspended: Suspended,
        decisions: Vec<(usize, Decision)>,
    ) -> Result<Reply, AgentError> {
        self.conversation().resume_with(suspended, decisions).await
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("model_name", &self.config.model_name)
            .field("tools", self.config.dispatcher.tools())
            .finish_non_exhaustive()
    }
}
