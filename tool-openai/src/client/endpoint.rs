//! What the APIs of a service have in common.

use super::service::{Answer, Pace};
use crate::chat::{self, Completion, Request};
use crate::error::ModelError;
use crate::model::ModelEvent;
use crate::responses;

/// One API of a service: how it is asked, and how its answers are read.
pub(super) trait Endpoint: Sync {
    type Assembler: Assemble;

    fn answer(
        &self,
        request: &Request,
        pace: Pace,
    ) -> impl Future<Output = Result<Answer, ModelError>> + Send;

    /// What reads an answer that is streamed.
    fn assembler(request: &Request) -> Self::Assembler;

    /// Reads an answer that came whole, with a success.
    fn read(body: &[u8]) -> Result<Completion, ModelError>;
}

/// What reads the body of a stream, and tells of it. Each method is as the assemblers have it.
pub(super) trait Assemble: Send {
    fn push_bytes(&mut self, bytes: &[u8]) -> Result<Vec<ModelEvent>, ModelError>;
    fn is_done(&self) -> bool;
    fn close(&mut self) -> Result<Vec<ModelEvent>, ModelError>;
    fn finish(self) -> Result<Completion, ModelError>;
}

impl Assemble for chat::Assembler {
    fn push_bytes(&mut self, bytes: &[u8]) -> Result<Vec<ModelEvent>, ModelError> {
        self.push_bytes(bytes)
    }

    fn is_done(&self) -> bool {
        self.is_done()
    }

    fn close(&mut self) -> Result<Vec<ModelEvent>, ModelError> {
        self.close()
    }

    fn finish(self) -> Result<Completion, ModelError> {
        self.finish()
    }
}

impl Assemble for responses::Assembler {
    fn push_bytes(&mut self, bytes: &[u8]) -> Result<Vec<ModelEvent>, ModelError> {
        self.push_bytes(bytes)
    }

    fn is_done(&self) -> bool {
        self.is_done()
    }

    fn close(&mut self) -> Result<Vec<ModelEvent>, ModelError> {
        self.close()
    }

    fn finish(self) -> Result<Completion, ModelError> {
        Ok(self.finish()?.into_completion())
    }
}
