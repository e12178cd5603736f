//! What the APIs of a service have in common.

use super::answer::Answer;
use super::retry::Failure;
use super::secrets::Secrets;
use super::service::Pace;
use crate::assembler::Assembler;
use crate::chat::{Completion, Request};
use crate::error::ModelError;

/// One API of a service: how it is asked, and how its answers are read.
pub(super) trait Endpoint: Sync {
    type Assembler: Assembler<Output: Into<Completion>> + Send;

    /// Asks once. What the service does not take is left out, and asked for again without.
    fn answer(
        &self,
        request: &Request,
        pace: Pace,
    ) -> impl Future<Output = Result<Answer, Failure>> + Send;

    /// How often what failed is tried again.
    fn retries(&self) -> usize;

    /// What must not be shown of an answer.
    fn secrets(&self) -> Secrets;

    /// An assembler for an answer that is streamed.
    fn assembler(request: &Request) -> Self::Assembler;

    /// Reads an answer that came whole, with a success.
    fn read(body: &[u8]) -> Result<Completion, ModelError>;
}
