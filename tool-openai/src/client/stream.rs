//! An answer as it arrives, whole or in events. Its format decides, not the request.

use std::sync::{Mutex, PoisonError};

use backon::Retryable;
use futures_util::stream::{TryStreamExt, try_unfold};

use super::answer::Answer;
use super::endpoint::Endpoint;
use super::retry::{Failure, backoff};
use super::service::Pace;
use crate::assembler::Assembler;
use crate::chat::{Completion, Request};
use crate::error::ModelError;
use crate::model::{ModelEvent, ModelStream, RequestRetry};

pub(super) fn stream<'a, E: Endpoint>(client: &'a E, request: &'a Request) -> ModelStream<'a> {
    let events = try_unfold(Stage::Asking(client, request), next);
    Box::pin(events.map_err(|error| client.secrets().redact_error(error)))
}

pub(super) async fn complete<E: Endpoint>(
    client: &E,
    request: &Request,
) -> Result<Completion, ModelError> {
    let answer = complete_openly(client, request).await;
    answer.map_err(|error| client.secrets().redact_error(error))
}

async fn complete_openly<E: Endpoint>(
    client: &E,
    request: &Request,
) -> Result<Completion, ModelError> {
    match begin(client, request, Pace::Whole).await? {
        Opened::Whole(completion) => Ok(completion),
        Opened::Stream(mut reading) => {
            while !reading.is_over {
                reading.read_on().await?;
            }
            reading.finish()
        }
    }
}

enum Opened<A> {
    Whole(Completion),
    Stream(Box<Reading<A>>),
}

impl<A> Opened<A> {
    /// The answer, which knows why it was asked for again.
    fn with_retries(mut self, retries: Mutex<Vec<RequestRetry>>) -> Self {
        let retries = retries.into_inner().unwrap_or_else(PoisonError::into_inner);
        match &mut self {
            Self::Whole(completion) => completion.add_request_retries(&retries),
            Self::Stream(reading) => reading.retries = retries,
        }
        self
    }
}

struct Reading<A> {
    answer: Answer,
    /// Why it was asked for again.
    retries: Vec<RequestRetry>,
    assembler: A,
    /// Events of the assembler that are not delivered yet.
    events: std::vec::IntoIter<ModelEvent>,
    is_over: bool,
}

/// An answer of which something can be delivered. What fails before that is asked for again, if the
/// failure may pass.
async fn begin<E: Endpoint>(
    client: &E,
    request: &Request,
    pace: Pace,
) -> Result<Opened<E::Assembler>, ModelError> {
    let retries = Mutex::new(Vec::new());
    let attempt = || async {
        let mut opened = open(client, request, pace).await?;
        if let Opened::Stream(reading) = &mut opened {
            // Keys of the message are not shown before it is over.
            let is_shown = |event: &ModelEvent| !matches!(event, ModelEvent::MessageKeys(_));
            let mut events: Vec<ModelEvent> = reading.events.by_ref().collect();
            while !events.iter().any(is_shown) && !reading.is_over {
                reading.read_on().await.map_err(Failure::of_answer)?;
                events.extend(reading.events.by_ref());
            }
            reading.events = events.into_iter();
        }
        Ok(opened)
    };
    attempt
        .retry(backoff(client.retries()))
        .when(Failure::is_worth_a_retry)
        .adjust(|failure, own| own.map(|own| failure.wait(own)))
        .notify(|failure: &Failure, _| {
            let error = client.secrets().redact(&failure.error.to_string());
            tracing::info!(reason = error, "request sent again");
            let mut retries = retries.lock().unwrap_or_else(PoisonError::into_inner);
            retries.push(RequestRetry { reason: error });
        })
        .await
        .map(|opened| opened.with_retries(retries))
        .map_err(|failure: Failure| failure.error)
}

async fn open<E: Endpoint>(
    client: &E,
    request: &Request,
    pace: Pace,
) -> Result<Opened<E::Assembler>, Failure> {
    let mut answer = client.answer(request, pace).await?;
    let opened = read_beginning::<E>(request, &mut answer).await;
    match opened.map_err(|error| Failure::of_answer(answer.name(error)))? {
        Beginning::Whole(mut completion) => {
            answer.note_on(&mut completion);
            Ok(Opened::Whole(completion))
        }
        Beginning::Stream(assembler, events) => Ok(Opened::Stream(Box::new(Reading {
            answer,
            retries: Vec::new(),
            assembler,
            events: events.into_iter(),
            is_over: false,
        }))),
    }
}

enum Beginning<A> {
    Whole(Completion),
    Stream(A, Vec<ModelEvent>),
}

async fn read_beginning<E: Endpoint>(
    request: &Request,
    answer: &mut Answer,
) -> Result<Beginning<E::Assembler>, ModelError> {
    let beginning = beginning(answer).await?;
    if !is_stream(&beginning) {
        return Ok(Beginning::Whole(E::read(&answer.rest(beginning).await?)?));
    }
    let mut assembler = E::assembler(request);
    let events = assembler.push_bytes(&beginning)?;
    Ok(Beginning::Stream(assembler, events))
}

enum Stage<'a, E: Endpoint> {
    Asking(&'a E, &'a Request),
    Reading(Box<Reading<E::Assembler>>),
    Over,
}

async fn next<E: Endpoint>(
    mut stage: Stage<'_, E>,
) -> Result<Option<(ModelEvent, Stage<'_, E>)>, ModelError> {
    loop {
        stage = match stage {
            Stage::Asking(client, request) => match begin(client, request, Pace::Stream).await? {
                Opened::Whole(completion) => {
                    return Ok(Some((ModelEvent::Finished(completion), Stage::Over)));
                }
                Opened::Stream(reading) => Stage::Reading(reading),
            },
            Stage::Reading(mut reading) => {
                if let Some(event) = reading.events.next() {
                    return Ok(Some((event, Stage::Reading(reading))));
                }
                if reading.is_over {
                    return Ok(Some((ModelEvent::Finished(reading.finish()?), Stage::Over)));
                }
                reading.read_on().await?;
                Stage::Reading(reading)
            }
            Stage::Over => return Ok(None),
        };
    }
}

impl<A: Assembler<Output: Into<Completion>>> Reading<A> {
    async fn read_on(&mut self) -> Result<(), ModelError> {
        let events = self.next_events().await;
        self.events = events.map_err(|error| self.answer.name(error))?.into_iter();
        Ok(())
    }

    async fn next_events(&mut self) -> Result<Vec<ModelEvent>, ModelError> {
        // Some services keep the connection open after the end.
        let part = if self.assembler.is_done() {
            None
        } else {
            self.answer.part().await?
        };
        self.is_over = part.is_none();
        match part {
            Some(part) => self.assembler.push_bytes(part.as_ref()),
            None => self.assembler.close(),
        }
    }

    fn finish(self) -> Result<Completion, ModelError> {
        let Self {
            answer,
            retries,
            assembler,
            ..
        } = self;
        let whole = assembler.finish().map_err(|error| answer.name(error))?;
        let mut completion: Completion = whole.into();
        answer.note_on(&mut completion);
        completion.add_request_retries(&retries);
        Ok(completion)
    }
}

/// The first part of an answer that says what it is, and nothing before it: spaces, line ends, a
/// byte order mark.
async fn beginning(answer: &mut Answer) -> Result<Vec<u8>, ModelError> {
    while let Some(part) = answer.part().await? {
        let part = part.as_ref();
        if let Some(at) = part
            .iter()
            .position(|byte| !b" \t\r\n\xef\xbb\xbf".contains(byte))
        {
            return Ok(part[at..].to_vec());
        }
    }
    Ok(Vec::new())
}

/// Whether this begins a stream of events, whatever the content type says: with a comment, or the
/// first bytes of a field.
fn is_stream(beginning: &[u8]) -> bool {
    let begins = |field: &&[u8]| beginning.starts_with(field) || field.starts_with(beginning);
    beginning.starts_with(b":")
        || !beginning.is_empty()
            && [b"data".as_slice(), b"event", b"id", b"retry"]
                .iter()
                .any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_and_a_whole_answer_differ_in_their_first_bytes() {
        for stream in ["data: {}", "d", "event: x", ": PROCESSING", "id:7", "retry"] {
            assert!(is_stream(stream.as_bytes()), "{stream}");
        }
        for whole in [
            "",
            "{\"choices\": []}",
            "[",
            "<html>",
            "upstream error",
            "internal error",
        ] {
            assert!(!is_stream(whole.as_bytes()), "{whole}");
        }
    }
}
