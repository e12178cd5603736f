//! A tool that runs on some worker.

use std::sync::Arc;
use std::time::Instant;

use reqwest::{Response, StatusCode};
use serde::Deserialize;
use tool_core::{
    Behavior, CallContext, ErrorCode, InvalidDefinitionError, Tool, ToolDefinition, ToolError,
    ToolFuture, ToolOutput,
};

use super::engine::{Described, Engine, UNREACHABLE_TIME, waits};
use crate::wire::{
    AGAIN, BEGIN_HEADER, BEHAVIOR, FINGERPRINT, FINGERPRINT_HEADER, HANDLER, ONCE, OUTPUT_SCHEMA,
    TITLE, encode, from_message,
};

/// A tool that runs on some worker.
pub(super) struct RemoteTool {
    definition: ToolDefinition,
    url: String,
    service: String,
    fingerprint: String,
    engine: Arc<Engine>,
}

impl Described {
    pub(super) fn into_tool(self, name: &str, engine: &Arc<Engine>) -> Result<RemoteTool, String> {
        let handler = self
            .handlers
            .into_iter()
            .find(|handler| handler.name == HANDLER);
        let schema = handler.and_then(|handler| handler.input_json_schema);
        let schema = schema.ok_or("the service has no handler with a schema")?;
        let metadata = |key| self.metadata.get(key).map(String::as_str);
        let behavior = metadata(BEHAVIOR).ok_or("the service does not say how it behaves")?;
        let behavior: Behavior =
            serde_json::from_str(behavior).map_err(|error| error.to_string())?;
        let fingerprint = metadata(FINGERPRINT).unwrap_or_default().to_owned();
        let output_schema = metadata(OUTPUT_SCHEMA).map(serde_json::from_str);
        let output_schema = output_schema
            .transpose()
            .map_err(|error| error.to_string())?;
        let define = || -> Result<ToolDefinition, InvalidDefinitionError> {
            let description = self.documentation.as_deref().unwrap_or_default();
            let mut definition = ToolDefinition::new(name, description, schema)?
                .with_behavior(|ours| *ours = as_remote(behavior))?;
            if let Some(title) = metadata(TITLE) {
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

impl Tool for RemoteTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call<'a>(&'a self, context: &'a CallContext, arguments: &'a str) -> ToolFuture<'a> {
        Box::pin(self.run(context, arguments))
    }
}

/// The result of one request.
enum Asked {
    /// The answer of the worker.
    Done(Result<ToolOutput, ToolError>),
    /// No engine received it.
    NotSent,
    /// It may run, and has to be requested again.
    Again,
    /// The engine refuses it: if it was the first request, nothing runs.
    Refused(ToolError),
    /// The engine failed, or abandoned the call; a retry may succeed.
    Failed,
}

/// How many retries a failing engine gets.
const TRIES: u32 = 5;

impl RemoteTool {
    async fn run(&self, context: &CallContext, arguments: &str) -> Result<ToolOutput, ToolError> {
        let key = key(context);
        let mut kill = KillOnDrop {
            engine: &self.engine,
            service: &self.service,
            key: &key,
            armed: true,
        };
        let (began, mut was_sent, mut failures) = (Instant::now(), false, 0);
        let mut waits = waits();
        loop {
            let asked = self.ask(&key, arguments).await;
            let has_answered = matches!(asked, Asked::Done(_) | Asked::Refused(_));
            self.engine.recovery.note(has_answered);
            match asked {
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
            if !was_sent && began.elapsed() > UNREACHABLE_TIME {
                kill.armed = false;
                let text = "the engine that runs the tool cannot be reached";
                return Err(ToolError::new(ErrorCode::NotStarted, text));
            }
            // Until the call's deadline: the call may be done, and the engine has its result.
            let wait = waits.next().unwrap_or(UNREACHABLE_TIME);
            tokio::time::sleep(wait).await;
            self.engine.recovery.turn().await;
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

/// The key of a call in the engine: its own behind its run's id, by which a run's calls are found.
fn key(context: &CallContext) -> String {
    let key = context.idempotency_key();
    match context.run_id() {
        Some(run_id) => format!("{}/{key}", encode(&run_id)),
        None => key,
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
        // The engine is busy, or cannot reach its workers.
        429 | 502..=504 => return Asked::Again,
        404 => (ErrorCode::UnknownTool, "no worker has this tool any more"),
        // It was killed or cancelled.
        409 | 410 => return Asked::Done(Err(lost())),
        // A retry with the same arguments would fail too.
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
        "the engine abandoned the call, or it was stopped; the tool may have acted",
    )
}

/// Kills a call that its caller dropped.
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
