//! The journal of a run, which another process can read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use restate_sdk::context::RunFuture;
use restate_sdk::endpoint::ContextInternal;
use restate_sdk::errors::TerminalError;
use restate_sdk::serde::Json;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tool_openai::chat::{Completion, Request};
use tool_openai::{ChatModel, ModelError, ModelFuture, Profile};

/// The journal of one run.
#[derive(Clone)]
pub(super) struct Journal {
    context: ContextInternal,
    /// Why the engine ended the run, once it has.
    ended: Arc<Mutex<Option<TerminalError>>>,
}

impl Journal {
    pub(super) fn new(context: ContextInternal) -> Self {
        Self {
            context,
            ended: Arc::default(),
        }
    }

    /// The result of the step, now or when it first ran. `Err` if the engine ends the run.
    pub(super) async fn step<T>(
        &self,
        name: &str,
        step: BoxFuture<'_, T>,
    ) -> Result<T, TerminalError>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        let written = self.context.run(|| async move { Ok(Json(step.await)) });
        let written = written.name(name).await.map(Json::into_inner);
        written.inspect_err(|error| self.end(error))
    }

    /// Stores in the state what it waits for, and waits until it is resolved by its id. `Err` if
    /// the engine ends the run.
    pub(super) async fn wait<T: Serialize>(
        &self,
        key: &str,
        what: impl FnOnce(String) -> T,
    ) -> Result<Bytes, TerminalError> {
        let (id, resolved) = self.context.awakeable::<Bytes>();
        self.context.set(key, Json(what(id)));
        let resolved = resolved.await;
        self.context.clear(key);
        resolved.inspect_err(|error| self.end(error))
    }

    fn end(&self, error: &TerminalError) {
        *self.lock() = Some(error.clone());
    }

    /// Why the engine ended the run, once it has.
    pub(super) fn ended(&self) -> Option<TerminalError> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<TerminalError>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A model with journaled answers: it is not asked again for a recorded one.
pub(super) struct JournaledModel {
    pub(super) model: Arc<dyn ChatModel>,
    pub(super) journal: Journal,
}

/// The answer of a model. What the agent reads of an error is kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Completion(Completion),
    Status {
        status: u16,
        code: Option<String>,
        message: String,
    },
    StreamError {
        code: Option<String>,
        message: String,
    },
    Other(String),
}

impl Answer {
    fn new(answer: Result<Completion, ModelError>) -> Self {
        match answer {
            Ok(completion) => Self::Completion(completion),
            Err(ModelError::Status {
                status,
                code,
                message,
                ..
            }) => Self::Status {
                status,
                code,
                message,
            },
            Err(ModelError::StreamError { code, message, .. }) => {
                Self::StreamError { code, message }
            }
            Err(error) => Self::Other(error.to_string()),
        }
    }

    fn into_result(self) -> Result<Completion, ModelError> {
        Err(match self {
            Self::Completion(completion) => return Ok(completion),
            Self::Status {
                status,
                code,
                message,
            } => ModelError::Status {
                status,
                code,
                message,
                request_id: None,
            },
            Self::StreamError { code, message } => ModelError::StreamError {
                code,
                message,
                failed_generation: None,
                request_id: None,
            },
            Self::Other(message) => ModelError::Other(message.into()),
        })
    }
}

impl ChatModel for JournaledModel {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        let asked = async { Answer::new(self.model.complete(request).await) };
        Box::pin(async {
            let answer = self.journal.step("model", Box::pin(asked)).await;
            match answer {
                Ok(answer) => answer.into_result(),
                Err(error) => Err(ModelError::Other(error.to_string().into())),
            }
        })
    }

    fn profile(&self) -> Profile {
        self.model.profile()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    fn read_back(answer: Result<Completion, ModelError>) -> Result<Completion, ModelError> {
        let written = serde_json::to_string(&Answer::new(answer)).unwrap();
        let read: Answer = serde_json::from_str(&written).unwrap();
        read.into_result()
    }

    #[test]
    fn a_completion_is_read_back_as_it_was() {
        let completion: Completion = from_value(json!({
            "id": "chatcmpl-1",
            "_request_id": "req-1",
            "choices": [{
                "finish_reason": "tool_calls",
                "message": {
                    "content": null,
                    "reasoning_content": "Two cities.",
                    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{\"a\":1"}}],
                },
            }],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        }))
        .unwrap();
        assert_eq!(read_back(Ok(completion.clone())).unwrap(), completion);
    }

    #[test]
    fn an_error_is_read_back_as_the_agent_needs_it() {
        let error = ModelError::Status {
            status: 400,
            code: Some("tool_use_failed".to_owned()),
            message: "no call".to_owned(),
            request_id: None,
        };
        let read = read_back(Err(error)).unwrap_err();
        assert!(
            matches!(read, ModelError::Status { code: Some(code), .. } if code == "tool_use_failed")
        );
        let error = ModelError::Configuration("no key".to_owned());
        let read = read_back(Err(error)).unwrap_err();
        assert_eq!(read.to_string(), "the model failed: no key");
    }
}
