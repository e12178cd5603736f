//! A completion as it arrives.

use futures_util::stream::try_unfold;

use super::endpoint::{Assemble, Endpoint};
use super::service::{Answer, Pace};
use crate::chat::Request;
use crate::error::ModelError;
use crate::model::{ModelEvent, ModelStream};

pub(super) fn stream<'a, E: Endpoint>(client: &'a E, request: &'a Request) -> ModelStream<'a> {
    Box::pin(try_unfold(Stage::Asking(client, request), next))
}

enum Stage<'a, E: Endpoint> {
    Asking(&'a E, &'a Request),
    Reading(Box<Reading<E::Assembler>>),
    Over,
}

struct Reading<A> {
    answer: Answer,
    assembler: A,
    /// Told by the assembler, not yet by us.
    events: std::vec::IntoIter<ModelEvent>,
    is_over: bool,
}

async fn next<E: Endpoint>(mut stage: Stage<'_, E>) -> Result<Option<(ModelEvent, Stage<'_, E>)>, ModelError> {
    loop {
        stage = match stage {
            Stage::Asking(client, request) => {
                let mut answer = client.answer(request, Pace::Stream).await?;
                let beginning = beginning(&mut answer).await?;
                if is_whole(&beginning) {
                    let completion = E::read(&answer.rest(beginning).await?)?;
                    return Ok(Some((ModelEvent::Finished(completion), Stage::Over)));
                }
                let mut assembler = E::assembler(request);
                let events = assembler.push_bytes(&beginning)?.into_iter();
                Stage::Reading(Box::new(Reading { answer, assembler, events, is_over: false }))
            }
            Stage::Reading(mut reading) => {
                if let Some(event) = reading.events.next() {
                    return Ok(Some((event, Stage::Reading(reading))));
                }
                if reading.is_over {
                    return Ok(Some((ModelEvent::Finished(reading.assembler.finish()?), Stage::Over)));
                }
                reading.read_on().await?;
                Stage::Reading(reading)
            }
            Stage::Over => return Ok(None),
        };
    }
}

impl<A: Assemble> Reading<A> {
    async fn read_on(&mut self) -> Result<(), ModelError> {
        // Some services keep the connection open after the end.
        let part = if self.assembler.is_done() { None } else { self.answer.part().await? };
        self.is_over = part.is_none();
        let events = match part {
            Some(part) => self.assembler.push_bytes(part.as_ref())?,
            None => self.assembler.close()?,
        };
        self.events = events.into_iter();
        Ok(())
    }
}

/// The first part of an answer that says what it is, and nothing before it: spaces, line ends, a byte order mark.
async fn beginning(answer: &mut Answer) -> Result<Vec<u8>, ModelError> {
    while let Some(part) = answer.part().await? {
        let part = part.as_ref();
        if let Some(at) = part.iter().position(|byte| !b" \t\r\n\xef\xbb\xbf".contains(byte)) {
            return Ok(part[at..].to_vec());
        }
    }
    Ok(Vec::new())
}

/// Whether this begins JSON or HTML, or is nothing. No stream of events begins so, whatever the content type says.
fn is_whole(beginning: &[u8]) -> bool {
    matches!(beginning.first(), None | Some(b'{' | b'[' | b'<'))
}
