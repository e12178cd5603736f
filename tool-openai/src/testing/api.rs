//! The two APIs that a scripted mock answers with.

use tool_core::serde_json::{self, Value};

use super::check::{self, ApiError, Dialect};
use super::completion::{self, Head};
use super::delivery::event;
use super::script::Spoken;
use super::{input, response};
use crate::chat::Request;

#[derive(Clone, Copy)]
pub(super) enum Api {
    Completions,
    Responses,
}

impl Api {
    /// The request as a script sees it, if the service would take it.
    pub(super) fn request(self, body: Value, dialect: Dialect) -> Result<Request, ApiError> {
        let read = match self {
            Self::Completions => {
                check::request(&body, dialect)?;
                serde_json::from_value(body)
            }
            Self::Responses => {
                check::responses_request(&body)?;
                input::request(body)
            }
        };
        read.map_err(|error| ApiError::invalid(error.to_string(), None))
    }

    pub(super) fn whole(self, head: &Head<'_>, spoken: &Spoken) -> Value {
        match self {
            Self::Completions => completion::whole(head, spoken),
            Self::Responses => response::whole(head, spoken),
        }
    }

    /// The events of a stream.
    pub(super) fn stream(self, head: &Head<'_>, spoken: &Spoken) -> Vec<String> {
        match self {
            Self::Completions => {
                let done = "data: [DONE]\n\n".to_owned();
                completion::chunks(head, spoken)
                    .iter()
                    .map(event)
                    .chain([done])
                    .collect()
            }
            Self::Responses => response::events(head, spoken).iter().map(event).collect(),
        }
    }

    /// What is answered in place of the rest.
    pub(super) fn failure(self, head: &Head<'_>, streamed: bool, error: Value) -> Value {
        match self {
            Self::Completions => error,
            Self::Responses if streamed => response::error(&error),
            Self::Responses => response::failed(head, &error),
        }
    }
}
