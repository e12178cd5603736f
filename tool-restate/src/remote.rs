//! The workers' tools as a set of tools.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tool_core::{
    Behavior, CallContext, ErrorCode, InvalidDefinitionError, Tool, ToolDefinition, ToolError,
    ToolFuture, ToolOutput, ToolSet,
};

use crate::wire::{
    AGAIN, BEGIN_HEADER, BEHAVIOR, FINGERPRINT, FINGERPRINT_HEADER, HANDLER, ONCE, OUTPUT_SCHEMA,
    PREFIX, TITLE, from_message,
};

/// How long an engine that has not taken a call may be away, before the call is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The tools of all workers of a Restate engine.
///
/// They are like any others, run by a [`Dispatcher`](tool_core::Dispatcher) with its limits, policy,
/// deadlines and spans; only their work is done elsewhere. Each call is sent under its
/// [idempotency key](tool_core::CallContext::idempotency_key). When the connection or the engine is
/// lost it is asked for again under the same key, which joins what runs or gets what is done. So a
/// program that died and dispatches the same message under the same run id
/// ([`Dispatcher::dispatch_as`](tool_core::Dispatcher::dispatch_as)) gets the same results, and
/// nothing that has finished runs twice. An engine keeps results for a day, unless it is told
/// otherwise.
///
/// A call that is stopped, by its deadline for example, is killed in the engine, also for others who
/// have joined it: its run id is spent then. That is tried for a minute, while the runtime lives.
///
/// ```no_run
/// use tool_core::{Dispatcher, ToolCall};
/// use tool_restate::Remote;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let remote = Remote::connect("http://127.0.0.1:8080", "http://127.0.0.1:9070").await?;
/// let dispatcher = Dispatcher::new(remote.tools());
/// let calls = vec![ToolCall::new("call_1", "add", r#"{"a": 1, "b": 2}"#)];
/// let results = dispatcher.dispatch_as("order 7, turn 2", calls)?.await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Remote {
    tools: ToolSet,
    left_out: Arc<[LeftOutTool]>,
}

impl Remote {
    /// Reads what tools there are. `ingress` is the engine's address for calls, `admin` the one for
    /// its administration.
    ///
    /// # Errors
    /// The engine cannot be reached, or is no engine.
    ///
    /// Cancel-safe.
    pub async fn connect(ingress: &str, admin: &str) -> Result<Self, RemoteError> {
        let http = Client::builder()
            .connect_timeout(Duration::from_secs(2))
            .build()
            .map_err(RemoteError::Unreachable)?;
        let engine = Arc::new(Engine {
            http,
            ingress: ingress.trim_end_matches('/').to_owned(),
            admin: admin.trim_end_matches('/').to_owned(),
        });
        let (mut tools, mut left_out) = (ToolSet::default(), Vec::new());
        let mut services = engine.services().await?;
        // The engine knows no order. Definitions that are the same in every run can be cached.
        services.sort_by(|one, other| one.name.cmp(&other.name));
        for service in services {
            let Some(name) = service.name.strip_prefix(PREFIX).map(str::to_owned) else {
                continue; // of somebody else
            };
            let remote = service.into_tool(&name, &engine);
            let added = remote.and_then(|tool| {
                let more = tools.clone().with_tool(tool);
                more.map_err(|error| error.to_string())
            });
            match added {
                Ok(more) => tools = more,
                Err(reason) => left_out.push(LeftOutTool { name, reason }),
            }
        }
        Ok(Self {
            tools,
            left_out: left_out.into(),
        })
    }

    /// The tools that the engine knew when it was [connected](Self::connect) to.
    pub fn tools(&self) -> ToolSet {
        self.tools.clone()
    }

    /// Services that are named like tools and are none, each with the reason.
    pub fn left_out(&self) -> &[LeftOutTool] {
        &self.left_out
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("tools", &self.tools)
            .finish_non_exhaustive()
    }
}

/// A service that is named like a tool and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOutTool {
    /// The tool's name.
    pub name: String,
    /// What is wrong with its definition.
    pub reason: String,
}

/// The tools could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The engine does not answer.
    #[error("the Restate engine cannot be reached: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// What answers is no engine, or one of another version.
    #[error("what answers at the engine's admin address is not Restate's admin API: {0}")]
    NotAnEngine(#[source] reqwest::Error),
}

/// Where calls are sent.
struct Engine {
    http: Client,
    ingress: String,
    admin: String,
}

#[derive(Deserialize)]
struct Services {
    services: Vec<Described>,
}

/// A service as the engine describes it.
#[derive(Deserialize)]
struct Described {
    name: String,
    #[serde(default)]
    documentation: Option<String>,
    #[serde(default)]
    metadata: std::collections::HashMap<String, String>,
    #[serde(default)]
    handlers: Vec<DescribedHandler>,
}

#[derive(Deserialize)]
struct DescribedHandler {
    name: String,
    #[serde(default)]
    input_json_schema: Option<Value>,
}

impl Described {
    fn into_tool(self, name: &str, engine: &Arc<Engine>) -> Result<RemoteTool, String> {
        let handler = self
            .handlers
            .into_iter()
            .find(|handler| handler.name == HANDLER);
        let schema = handler.and_then(|handler| handler.input_json_schema);
        let schema = schema.ok_or("the service has no handler with a schema")?;
        let said = |key| self.metadata.get(key).map(String::as_str);
        let behavior = said(BEHAVIOR).ok_or("the service does not say how it behaves")?;
        let behavior: Behavior =
            serde_json::from_str(behavior).map_err(|error| error.to_string())?;
        let fingerprint = said(FINGERPRINT).unwrap_or_default().to_owned();
        let output_schema = said(OUTPUT_SCHEMA).map(serde_json::from_str);
        let output_schema = output_schema
            .transpose()
            .map_err(|error| error.to_string())?;
        let define = || -> Result<ToolDefinition, InvalidDefinitionError> {
            let description = self.documentation.as_deref().unwrap_or_default();
            let mut definition = ToolDefinition::new(name, description, schema)?
                .with_behavior(|ours| *ours = as_remote(behavior))?;
            if let Some(title) = said(TITLE) {
                definition = definition.with_title(title);
            }
            match output_schema {
                Some(schema) => definition.with_output_schema(schema),
                None => Ok(definition),
            }
        };
        Ok(RemoteTool {
            definition: define().map_err(|error| error.to_string())?,
            url: format!("{}/{}/{HANDLER}", engine.ingress, self.name),
            service: self.name,
            fingerprint,
            engine: Arc::clone(engine),
        })
    }
}

/// What a caller needs of it. Order and limits within a worker are the worker's; the engine repeats
/// what may be repeated.
fn as_remote(mut behavior: Behavior) -> Behavior {
    behavior.remote = true;
    behavior.concurrency = None;
    behavior.retry = None;
    behavior
}

impl Engine {
    async fn services(&self) -> Result<Vec<Described>, RemoteError> {
        let answer = self.http.get(format!("{}/services", self.admin)).send();
        let answer = answer.await.map_err(RemoteError::Unreachable)?;
        let answer = answer
            .error_for_status()
            .map_err(RemoteError::NotAnEngine)?;
        let listed: Services = answer.json().await.map_err(RemoteError::NotAnEngine)?;
        Ok(listed.services)
    }

    /// Kills what runs under the key. How many calls that were.
    async fn kill(&self, service: &str, key: &str) -> Result<usize, reqwest::Error> {
        #[derive(Deserialize)]
        struct Rows {
            rows: Vec<Row>,
        }
        #[derive(Deserialize)]
        struct Row {
            id: String,
        }
        let quoted = |text: &str| text.replace('\'', "''");
        let query = format!(
            "SELECT id FROM sys_invocation WHERE target_service_name = '{}' AND idempotency_key = '{}' AND status != 'completed'",
            quoted(service),
            quoted(key)
        );
        let found = self
            .http
            .post(format!("{}/query", self.admin))
            .header("accept", "application/json")
            .json(&json!({"query": query}))
            .send()
            .await?
            .error_for_status()?;
        let rows = found.json::<Rows>().await?.rows;
        for Row { id } in &rows {
            let url = format!("{}/invocations/{id}/kill", self.admin);
            self.http.patch(url).send().await?.error_for_status()?;
        }
        Ok(rows.len())
    }

    /// Kills what runs under the key, also if the engine is away, or has not taken the call yet.
    async fn kill_for_sure(&self, service: &str, key: &str) {
        let waits = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(100))
            .with_max_times(10) // about a minute
            .build();
        let mut unseen = 0;
        for wait in waits {
            match self.kill(service, key).await {
                Ok(0) if unseen == 3 => return, // it has ended
                Ok(0) => unseen += 1,
                Ok(_) => return,
                Err(error) => tracing::debug!(%error, service, "a call cannot be stopped yet"),
            }
            tokio::time::sleep(wait).await;
        }
        tracing::warn!(service, "a call that nobody waits for could not be stopped");
    }
}

/// A tool that runs on some worker.
struct RemoteTool {
    definition: ToolDefinition,
    url: String,
    service: String,
    fingerprint: String,
    engine: Arc<Engine>,
}

impl Tool for RemoteTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call<'a>(&'a self, context: &'a CallContext, arguments: &'a str) -> ToolFuture<'a> {
        Box::pin(self.run(context, arguments))
    }
}

/// What came of asking once.
enum Asked {
    /// What the worker says.
    Done(Result<ToolOutput, ToolError>),
    /// Nobody received it.
    NotSent,
    /// It may run, and is to be asked for again.
    Again,
    /// The engine does not take it: of a first time, nothing runs.
    Refused(ToolError),
    /// The engine failed, or gave the call up; asked again it may know better.
    Failed,
}

/// How often an engine that fails is asked again.
const TRIES: u32 = 5;

impl RemoteTool {
    async fn run(&self, context: &CallContext, arguments: &str) -> Result<ToolOutput, ToolError> {
        let key = context.idempotency_key();
        let mut kill = KillOnDrop {
            engine: &self.engine,
            service: &self.service,
            key: &key,
            armed: true,
        };
        let (began, mut was_sent, mut failures) = (Instant::now(), false, 0);
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(1))
            .with_jitter()
            .without_max_times()
            .build();
        loop {
            match self.ask(&key, arguments).await {
                Asked::Done(outcome) => {
                    kill.armed = false;
                    return outcome;
                }
                Asked::NotSent => {}
                Asked::Again => was_sent = true,
                Asked::Refused(error) if !was_sent => {
                    kill.armed = false;
                    return Err(error);
                }
                Asked::Failed if failures < TRIES => (was_sent, failures) = (true, failures + 1),
                Asked::Refused(_) | Asked::Failed => return Err(lost()),
            }
            if !was_sent && began.elapsed() > PATIENCE {
                kill.armed = false;
                let text = "the engine that runs the tool cannot be reached";
                return Err(ToolError::new(ErrorCode::NotStarted, text));
            }
            // Until the call's deadline: what was sent may be done, and the engine knows.
            let wait = waits.next().unwrap_or(PATIENCE);
            tokio::time::sleep(wait).await;
        }
    }

    async fn ask(&self, key: &str, arguments: &str) -> Asked {
        let begin = match self.definition.behavior().is_repeatable() {
            true => AGAIN,
            false => ONCE,
        };
        let request = self
            .engine
            .http
            .post(&self.url)
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .header(FINGERPRINT_HEADER, &self.fingerprint)
            .header(BEGIN_HEADER, begin)
            .body(arguments.to_owned());
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Asked::NotSent,
            Err(_) => return Asked::Again,
        };
        let status = answer.status();
        match status.is_success() {
            true => match answer.bytes().await {
                Ok(body) => Asked::Done(read(&body)),
                Err(_) => Asked::Again,
            },
            false => failed(status, answer).await,
        }
    }
}

fn read(body: &[u8]) -> Result<ToolOutput, ToolError> {
    serde_json::from_slice(body).map_err(|error| {
        let text = "the worker's answer is not the output of a tool";
        ToolError::new(ErrorCode::ToolError, text).with_source(error)
    })
}

/// A failure of the tool's, of the worker's, or of the engine's own.
async fn failed(status: StatusCode, answer: Response) -> Asked {
    #[derive(Deserialize)]
    struct Failure {
        message: String,
    }
    let Ok(body) = answer.bytes().await else {
        return Asked::Again;
    };
    let failure = serde_json::from_slice::<Failure>(&body).ok();
    if let Some(error) = failure
        .as_ref()
        .and_then(|failure| from_message(&failure.message))
    {
        return Asked::Done(Err(error));
    }
    let (code, text) = match status.as_u16() {
        // The engine is busy, or away from its workers.
        429 | 502..=504 => return Asked::Again,
        404 => (ErrorCode::UnknownTool, "no worker has this tool any more"),
        // Somebody killed or cancelled it.
        409 | 410 => return Asked::Done(Err(lost())),
        // No engine takes the same arguments another time.
        413 => {
            let text = "the arguments are larger than the engine takes";
            return Asked::Done(Err(ToolError::new(ErrorCode::TooLarge, text)));
        }
        400..=499 => (ErrorCode::NotStarted, "the engine refused the call"),
        _ => return Asked::Failed,
    };
    Asked::Refused(ToolError::new(code, format!("{text} (HTTP {status})")))
}

fn lost() -> ToolError {
    ToolError::new(
        ErrorCode::LostIndeterminate,
        "the engine gave the call up, or somebody stopped it; the tool may have acted",
    )
}

/// Kills a call that nobody waits for.
struct KillOnDrop<'a> {
    engine: &'a Arc<Engine>,
    service: &'a str,
    key: &'a str,
    armed: bool,
}

impl Drop for KillOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let engine = Arc::clone(self.engine);
            let (service, key) = (self.service.to_owned(), self.key.to_owned());
            runtime.spawn(async move { engine.kill_for_sure(&service, &key).await });
        }
    }
}
