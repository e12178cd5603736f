//! Keys that are the same in every process: by the name that the program gives to a message, and the
//! place of a call within it.

use std::fmt::Write;
use std::hash::Hasher;
use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher24};

use super::call::{Call, process_nonce};
use crate::model::RunName;

/// Bytes that a run id may have.
const MOST: usize = 512;

/// A run id that names no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a run id of {length} bytes; it names one message, and has 1 to {MOST} bytes")]
pub struct InvalidRunIdError {
    length: usize,
}

/// The run id, if it can be one.
pub(super) fn checked(run_id: &str) -> Result<Arc<RunName>, InvalidRunIdError> {
    match run_id.len() {
        1..=MOST => Ok(Arc::new(RunName::Named(run_id.to_owned()))),
        length => Err(InvalidRunIdError { length }),
    }
}

impl Call {
    /// Shape: of a run with an id, a hash and the call's path, both the same when the same call
    /// runs at the same place of that run; otherwise a number of this process and one of the batch
    /// in it, and the position.
    pub(crate) fn idempotency_key(&self) -> String {
        let mut path = String::new();
        let run = self.write_path(&mut path);
        let Some(RunName::Named(run_id)) = run.as_deref() else {
            let (RunName::Named(prefix) | RunName::Unnamed(prefix)) = self.run_name();
            return format!("{prefix}-{:x}", self.position);
        };
        let mut hasher = SipHasher24::new();
        // What the model wrote is part of it: another call in its place has another key.
        for part in [run_id, &path, &self.call.name, self.arguments()] {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part.as_bytes());
        }
        format!("{:032x}-{path}", hasher.finish128().as_u128())
    }

    /// The name that the program gave the outermost message.
    pub(crate) fn run_id(&self) -> Option<String> {
        match (&self.batch.parent, self.batch.run.as_deref()) {
            (Some(parent), _) => parent.run_id(),
            (None, Some(RunName::Named(run_id))) => Some(run_id.clone()),
            _ => None,
        }
    }

    /// Writes positions from the outermost call to this one, each but the first behind the number of
    /// the nested batch in its attempt. The run's name, if it was given one.
    fn write_path(&self, path: &mut String) -> Option<Arc<RunName>> {
        let run = match &self.batch.parent {
            None => self.batch.run.clone()?,
            Some(parent) => {
                let run = parent.write_path(path)?;
                let _ = write!(path, ".{}.", self.batch.number);
                run
            }
        };
        let _ = write!(path, "{}", self.position);
        Some(run)
    }

    /// What keys of its batch are made of: the name that the batch was given, or else its number in
    /// this process.
    pub(super) fn run_name(&self) -> RunName {
        if let Some(run) = &self.batch.run {
            return RunName::clone(run);
        }
        let (process, batch) = (process_nonce(), self.batch.serial());
        RunName::Unnamed(format!("{process:032x}-{batch:x}"))
    }
}
