//! The Responses API over HTTP.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tool_core::serde_json::from_value;

use super::answer::Answer;
use super::endpoint::Endpoint;
use super::retry::Failure;
use super::secrets::Secrets;
use super::service::Pace;
use super::stream::{complete, stream};
use super::{OpenAi, invalid, parse};
use crate::chat::{Completion, Request};
use crate::error::ModelError;
use crate::model::{ChatModel, ModelFuture, ModelStream};
use crate::profile::Profile;
use crate::responses::{self, MOST_ID, Response, ResponsesAssembler};

/// Client for the Responses API of OpenAI and compatible providers, as a model for the
/// [`Agent`](crate::Agent).
///
/// Made by [`OpenAi::into_responses`], with the settings made there. [`responses::Request`] shows
/// how a chat request is converted, and [`Response::into_completion`] how the answer is. The
/// agent's history keeps what the model made, its reasoning among it, and each request sends it
/// back as it came; the same history goes to chat completions without it.
///
/// Models that do not reason refuse to be asked for encrypted reasoning: they are asked again
/// without, and remembered.
///
/// ```no_run
/// // `no_run`: asks a real service.
/// use tool_openai::{Agent, OpenAi};
///
/// # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
/// let agent = Agent::new(OpenAi::from_env()?.into_responses(), "gpt-5").with_parameter("reasoning_effort", "low").conversation();
/// println!("{}", agent.run("What is 2 + 3?").await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Responses {
    client: OpenAi,
    /// Models that have no encrypted reasoning.
    plain: Arc<Mutex<HashSet<String>>>,
}

impl Responses {
    pub(super) fn new(client: OpenAi) -> Self {
        Self {
            client,
            plain: Arc::default(),
        }
    }

    fn plain<T>(&self, look: impl FnOnce(&mut HashSet<String>) -> T) -> T {
        look(&mut self.plain.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Endpoint for Responses {
    type Assembler = ResponsesAssembler;

    async fn answer(&self, request: &Request, pace: Pace) -> Result<Answer, Failure> {
        let body = || {
            let mut body = responses::Request::from(request);
            body.stream = (pace == Pace::Stream).then_some(true);
            body
        };
        let mut asking = body();
        let asked_by_us =
            asking.extra.contains_key("include") && !request.extra.contains_key("include");
        if asked_by_us && self.plain(|plain| plain.contains(&asking.model)) {
            asking.extra.remove("include");
        }
        let OpenAi {
            refused, service, ..
        } = &self.client;
        match refused.send(&mut asking, service, pace).await {
            Err(failure)
                if asked_by_us
                    && is_about_asking(&failure.error)
                    && asking.extra.contains_key("include") =>
            {
                self.plain(|plain| plain.insert(request.model.clone()));
                let mut plain = body();
                plain.extra.remove("include");
                refused.send(&mut plain, service, pace).await
            }
            answer => answer,
        }
    }

    fn retries(&self) -> usize {
        self.client.service.retries()
    }

    fn secrets(&self) -> Secrets {
        self.client.service.secrets()
    }

    fn assembler(_: &Request) -> ResponsesAssembler {
        ResponsesAssembler::new()
    }

    fn read(body: &[u8]) -> Result<Completion, ModelError> {
        let response: Response =
            from_value(parse(body, "output")?).map_err(|error| invalid(error.to_string(), body))?;
        Ok(response.check()?.into_completion())
    }
}

/// `Encrypted content is not supported with this model.`
fn is_about_asking(error: &ModelError) -> bool {
    let ModelError::Status {
        status: 400,
        message,
        ..
    } = error
    else {
        return false;
    };
    let message = message.to_ascii_lowercase();
    message.contains("encrypted content") && message.contains("not supported")
}

impl ChatModel for Responses {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        Box::pin(complete(self, request))
    }

    fn profile(&self) -> Profile {
        let profile = self.client.profile().with_images_in_results();
        profile.with_longest_id(MOST_ID)
    }

    fn stream<'a>(&'a self, request: &'a Request) -> ModelStream<'a> {
        stream(self, request)
    }
}
