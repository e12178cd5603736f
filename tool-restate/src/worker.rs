//! The worker: runs tools for an engine.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper_util::rt::{TokioExecutor, TokioIo};
use restate_sdk::context::RunFuture;
use restate_sdk::discovery;
use restate_sdk::endpoint::{ContextInternal, Endpoint, Error as EndpointError, InputMetadata};
use restate_sdk::errors::{HandlerResult, TerminalError};
use restate_sdk::hyper::HyperEndpoint;
use restate_sdk::service::{Service, macro_support};
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio_util::sync::CancellationToken;
use tool_core::{Dispatcher, ErrorCode, ToolCall, ToolDefinition, ToolError, ToolOutput};

use crate::wire::{
    AGAIN, BEGIN_HEADER, BEHAVIOR, FINGERPRINT, FINGERPRINT_HEADER, HANDLER, ONCE, OUTPUT_SCHEMA,
    PREFIX, TITLE, status, to_message,
};

/// How long an answer may take on its way, beyond the call itself.
const MARGIN: Duration = Duration::from_secs(10);

/// How long a registration may take: the engine asks the worker for its tools meanwhile.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(60);

/// The timeout of a call that has none: the engine requires one.
pub(crate) const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Worker: runs the tools of a [`Dispatcher`] for a Restate engine (durable execution), with the
/// dispatcher's limits, deadlines, policy and spans.
///
/// Each tool is a service of its own, `tool.` and its name, with one handler `call`: different tools
/// may be on different workers. A failed call is a terminal error with the
/// [code](tool_core::ErrorCode) and the message that a model reads; the engine does not repeat it.
///
/// What the engine does repeat is a call whose worker died. A tool that declares that it may be
/// repeated (`read_only` or `idempotent`) is begun again: **at least once**. Any other is begun
/// **at most once**: its start is recorded first, and when it is requested again the answer is
/// [`LostIndeterminate`](tool_core::ErrorCode::LostIndeterminate).
///
/// The tool's [idempotency key](tool_core::CallContext::idempotency_key) is the same each time.
///
/// A policy of the worker's dispatcher has to be quick: the engine treats a call as lost after its
/// tool's timeout and the dispatcher's queue time.
///
/// ```no_run
/// use tool_core::{Dispatcher, tool, tools};
/// use tool_restate::{Worker, register};
///
/// /// Add two numbers.
/// #[tool(read_only)]
/// fn add(a: i64, b: i64) -> i64 {
///     a.wrapping_add(b)
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9080").await?;
/// let worker = Worker::new(Dispatcher::new(tools![add]));
/// let working = tokio::spawn(worker.serve(listener));
/// // The engine lists the worker's tools, and calls it from then on.
/// register("http://127.0.0.1:9070", "http://127.0.0.1:9080").await?;
/// working.await??;
/// # Ok(())
/// # }
/// ```
pub struct Worker {
    dispatcher: Dispatcher,
    cancellation: CancellationToken,
    #[cfg(feature = "agent")]
    agents: Vec<(String, tool_openai::Agent)>,
}

impl Worker {
    /// A worker with these tools.
    pub fn new(dispatcher: impl Into<Dispatcher>) -> Self {
        Self {
            dispatcher: dispatcher.into(),
            cancellation: CancellationToken::new(),
            #[cfg(feature = "agent")]
            agents: Vec::new(),
        }
    }

    /// Runs this agent, too, for [`RemoteAgent`](crate::RemoteAgent)s of the same name. Its runs
    /// outlive this process: answers of the model and results of calls are recorded. A run
    /// whose process dies begins again on another worker that has the agent, and takes from there
    /// what was done; no model is asked again for an answer that came, and no call is run again that
    /// has its result.
    ///
    /// Its tools are best those of a [`Remote`](crate::Remote): their calls are joined where they
    /// run. A tool of this process is begun again.
    ///
    /// Each attempt reports all events from the beginning to
    /// [`with_on_event`](tool_openai::Agent::with_on_event). An agent that is changed is best given
    /// another name: runs of the old one end as they began.
    #[cfg(feature = "agent")]
    #[must_use]
    pub fn with_agent(mut self, name: impl Into<String>, agent: tool_openai::Agent) -> Self {
        self.agents.push((name.into(), agent));
        self
    }

    /// Stops when `token` is cancelled, for graceful shutdown: no more connections are taken, and
    /// calls that run are answered.
    #[must_use]
    pub fn with_cancellation(self, token: CancellationToken) -> Self {
        Self {
            cancellation: token,
            ..self
        }
    }

    /// Listens at the address, until it is [stopped](Self::with_cancellation).
    ///
    /// # Errors
    /// It cannot listen there, or the name of a tool or of an agent cannot be a service's.
    ///
    /// # Cancel safety
    /// As for [`serve`](Self::serve).
    pub async fn listen(self, address: impl ToSocketAddrs) -> io::Result<()> {
        self.serve(TcpListener::bind(address).await?).await
    }

    /// As [`listen`](Self::listen), with an existing listener.
    ///
    /// # Errors
    /// The name of a tool or of an agent cannot be a service's.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connections; the engine begins again what may be repeated.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let Self {
            dispatcher,
            cancellation,
            ..
        } = &self;
        let mut endpoint = Endpoint::builder();
        for definition in dispatcher.tools().definitions() {
            let described = describe(dispatcher, definition)?;
            let service = ToolService {
                dispatcher: dispatcher.clone(),
                tool: definition.name().into(),
            };
            endpoint = endpoint.bind(macro_support::service_definition(service, described));
        }
        #[cfg(feature = "agent")]
        for (name, agent) in &self.agents {
            let described = crate::agent::describe(name)?;
            let service = crate::agent::AgentService::new(agent.clone());
            endpoint = endpoint.bind(macro_support::service_definition(service, described));
        }
        let endpoint = HyperEndpoint::new(endpoint.build());
        let mut connections = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                () = cancellation.cancelled() => break,
                accepted = listener.accept() => {
                    // A failed connection does not end the listener.
                    if let Ok((stream, _)) = accepted {
                        let serving = serve(stream, endpoint.clone(), cancellation.clone());
                        connections.spawn(serving);
                    } else {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
        dispatcher.idle().await;
        Ok(())
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("dispatcher", &self.dispatcher)
            .finish_non_exhaustive()
    }
}

/// One connection of the engine's: HTTP/2, many calls at once.
async fn serve(stream: TcpStream, endpoint: HyperEndpoint, cancellation: CancellationToken) {
    // Without it, answers to parallel calls wait for each other by tens of milliseconds.
    _ = stream.set_nodelay(true);
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    // The dispatcher has limits of its own: what waits for its turn is a stream as well.
    builder.max_concurrent_streams(None);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), endpoint));
    tokio::select! {
        _ = &mut connection => return,
        () = cancellation.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    _ = connection.await;
}

/// One tool as a service.
struct ToolService {
    dispatcher: Dispatcher,
    tool: Arc<str>,
}

impl Service for ToolService {
    type Future = BoxFuture<'static, Result<(), EndpointError>>;

    fn handle(&self, context: ContextInternal) -> Self::Future {
        let (dispatcher, tool) = (self.dispatcher.clone(), Arc::clone(&self.tool));
        Box::pin(async move {
            if context.handler_name() != HANDLER {
                let (service, handler) = (context.service_name(), context.handler_name());
                return Err(EndpointError::unknown_handler(service, handler));
            }
            let (body, metadata) = context.input::<Bytes>().await;
            let answer = call(&dispatcher, &tool, &context, &body, metadata).await;
            let answer = answer.map(Bytes::from);
            context.handle_handler_result(answer.map_err(Into::into));
            context.end();
            Ok(())
        })
    }
}

/// The output as JSON, or a failure without retry.
async fn call(
    dispatcher: &Dispatcher,
    tool: &str,
    context: &ContextInternal,
    body: &[u8],
    metadata: InputMetadata,
) -> Result<Vec<u8>, TerminalError> {
    let definition = dispatcher.tools().definition(tool);
    let definition = definition.ok_or_else(|| failure(ErrorCode::UnknownTool, "unknown tool"))?;
    // First of all, and from the call's own header: each attempt has to take the same steps.
    let is_once = match metadata.headers.get(BEGIN_HEADER).map(String::as_str) {
        Some(ONCE) => true,
        Some(AGAIN) => false,
        _ => !definition.behavior().is_repeatable(),
    };
    if is_once {
        begin_once(context).await?;
    }
    let made_for = metadata.headers.get(FINGERPRINT_HEADER);
    if made_for.is_some_and(|fingerprint| *fingerprint != definition.fingerprint()) {
        let text = "the tool has another definition by now; list the tools again";
        return Err(failure(ErrorCode::NotStarted, text));
    }
    let arguments = String::from_utf8(body.to_vec())
        .map_err(|error| failure(ErrorCode::InvalidJson, &error.to_string()))?;
    // A key may be longer than a run id. The engine's own id is the same in each attempt, too.
    let key = metadata.idempotency_key.filter(|key| key.len() <= 512);
    let key = key.unwrap_or_else(|| metadata.invocation_id.clone());
    let calls = vec![ToolCall::new(metadata.invocation_id, tool, arguments)];
    let results = dispatcher
        .dispatch_as(&key, calls)
        .map_err(|error| failure(ErrorCode::NotStarted, &error.to_string()))?;
    match results.await.pop().map(|result| result.into_outcome()) {
        Some(Ok(output)) => to_json(&output),
        Some(Err(error)) => Err(terminal(&error)),
        None => Err(failure(ErrorCode::NotStarted, "the call was not answered")),
    }
}

/// Records that the call begins, unless that was recorded before: by another attempt, whose
/// progress is not known.
async fn begin_once(context: &ContextInternal) -> Result<(), TerminalError> {
    let mine = attempt();
    let written = mine.clone();
    let first: String = context
        .run(|| async move { HandlerResult::Ok(written) })
        .name("begin")
        .await?;
    match first == mine {
        true => Ok(()),
        false => Err(failure(
            ErrorCode::LostIndeterminate,
            "the worker that ran the tool was lost; the tool may have acted, and is not run again",
        )),
    }
}

/// A name that is unique to this attempt.
fn attempt() -> String {
    static ATTEMPTS: AtomicU64 = AtomicU64::new(0);
    let number = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
    let mut random = RandomState::new().build_hasher();
    random.write_u64(number);
    format!("{:x}-{:x}-{number:x}", std::process::id(), random.finish())
}

fn to_json(output: &ToolOutput) -> Result<Vec<u8>, TerminalError> {
    serde_json::to_vec(output)
        .map_err(|error| failure(ErrorCode::UnserializableOutput, &error.to_string()))
}

fn failure(code: ErrorCode, text: &str) -> TerminalError {
    terminal(&ToolError::new(code, text))
}

fn terminal(error: &ToolError) -> TerminalError {
    TerminalError::new_with_code(status(error.code()), to_message(error))
}

/// The tool in the worker's manifest.
fn describe(dispatcher: &Dispatcher, tool: &ToolDefinition) -> io::Result<discovery::Service> {
    let mut metadata = Map::new();
    let mut say = |key: &str, value: String| metadata.insert(key.to_owned(), value.into());
    say(FINGERPRINT, tool.fingerprint());
    say(BEHAVIOR, serde_json::to_string(tool.behavior())?);
    if let Some(title) = tool.title() {
        say(TITLE, title.to_owned());
    }
    if let Some(schema) = tool.output_schema() {
        say(OUTPUT_SCHEMA, schema.to_string());
    }
    // A call sends nothing until it is answered. The engine would treat it as lost, and start it
    // again.
    let timeout = dispatcher.timeout_of(tool.name()).unwrap_or(LONGEST);
    let queue = dispatcher.limits().queue_time.unwrap_or(LONGEST);
    let silence = timeout.saturating_add(queue).min(LONGEST) + MARGIN;
    let described = json!({
        "ty": "SERVICE",
        "name": format!("{PREFIX}{}", tool.name()),
        "documentation": tool.description(),
        "metadata": metadata,
        "inactivityTimeout": millis(silence),
        "abortTimeout": millis(MARGIN),
        "handlers": [{
            "name": HANDLER,
            "documentation": tool.description(),
            "input": {
                "required": true,
                "contentType": "application/json",
                "jsonSchema": tool.parameters(),
            },
            "output": {"contentType": "application/json", "setContentTypeIfEmpty": false},
        }],
    });
    manifest(described)
}

/// A service as the engine reads it, with what all have in common.
pub(crate) fn manifest(mut service: Value) -> io::Result<discovery::Service> {
    let name = service["name"].as_str().unwrap_or_default().to_owned();
    // Only lost workers lead to another attempt: any other failure is terminal.
    service["retryPolicyInitialInterval"] = 50.into();
    service["retryPolicyMaxInterval"] = 1000.into();
    service["retryPolicyExponentiationFactor"] = 2.0.into();
    service["retryPolicyMaxAttempts"] = 1_000_000.into();
    serde_json::from_value(service).map_err(|error| {
        let text = format!("`{name}` cannot be a service: {error}");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Registers a worker, or a load balancer of several, with an engine: it lists the tools, and sends
/// calls there from then on. `admin` is the engine's admin address, `http://127.0.0.1:9070` for
/// example, `worker` the worker's address as the engine reaches it. Repeating it is harmless.
///
/// A worker with other tools is best given another address: calls that run end where they began.
///
/// # Errors
/// The engine cannot be reached, or does not reach the worker.
///
/// # Cancel safety
/// Cancel-safe.
pub async fn register(admin: &str, worker: &str) -> Result<(), RegisterError> {
    let url = format!("{}/deployments", admin.trim_end_matches('/'));
    let request = reqwest::Client::new()
        .post(url)
        .json(&json!({"uri": worker, "force": true}))
        .timeout(REGISTER_TIMEOUT);
    let answer = request.send().await.map_err(RegisterError::Unreachable)?;
    let status = answer.status().as_u16();
    match answer.status().is_success() {
        true => Ok(()),
        false => Err(RegisterError::Refused {
            status,
            message: answer.text().await.unwrap_or_default(),
        }),
    }
}

/// A worker could not be registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The engine does not answer.
    #[error("the engine's admin address cannot be reached: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// The engine answers, but not with success: it does not reach the worker, for example.
    #[error("the engine refused the worker (HTTP {status}): {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the engine says.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tool_core::{DynamicTool, ToolSet};

    use super::*;

    /// The engine must not abandon a call that may still wait for its turn, or run.
    #[test]
    fn time_outs_of_the_engine_follow_the_deadline_of_the_tool() {
        let schema = json!({"type": "object", "properties": {}});
        let tool = DynamicTool::new("wait", "Wait.", schema, |_| pending::<Result<(), String>>());
        let tools = ToolSet::from_tools([tool.unwrap()]).unwrap();
        let described = |dispatcher: Dispatcher| {
            let definition = dispatcher.tools().definition("wait").unwrap();
            let service = describe(&dispatcher, definition).unwrap();
            let service = serde_json::to_value(service).unwrap();
            ["inactivityTimeout", "abortTimeout"].map(|key| service[key].as_u64().unwrap())
        };
        let dispatcher = Dispatcher::new(tools)
            .with_limits(|limits| limits.queue_time = Some(Duration::from_secs(60)));
        let limited = dispatcher.clone().with_timeout(Duration::from_secs(5));
        assert_eq!(described(limited), [75_000, 10_000]);
        let unlimited = dispatcher.with_limits(|limits| limits.queue_time = None);
        assert_eq!(
            described(unlimited.with_timeout(LONGEST))[0],
            millis(LONGEST + MARGIN)
        );
    }
}
