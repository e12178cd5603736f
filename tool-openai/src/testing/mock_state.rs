//! A mock script, and its recorded requests.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tool_core::serde_json::Value;

use super::api::Api;
use super::check::{ApiError, Dialect};
use super::script::{Script, ScriptedReply};
use crate::chat::Request;

/// A mock script, and the requests it received.
pub(super) struct MockState {
    script: Mutex<Script>,
    requests: Mutex<Vec<Value>>,
    /// Whether the mock wrote reasoning.
    thinks: AtomicBool,
}

/// The next reply of a script.
pub(super) struct Reply {
    /// Counts the requests.
    pub(super) number: usize,
    pub(super) request: Request,
    pub(super) reply: ScriptedReply,
}

/// Replies that are left of a list.
pub(super) type Replies = Arc<Mutex<VecDeque<ScriptedReply>>>;

/// One reply for each request; after the last, every request is refused.
pub(super) fn in_turn(replies: &Replies) -> Script {
    let replies = Arc::clone(replies);
    Box::new(move |_| {
        lock(&replies).pop_front().unwrap_or_else(|| {
            ScriptedReply::error(400, "script_over", "The script has no reply left.")
        })
    })
}

impl MockState {
    pub(super) fn new(script: Script) -> Self {
        Self {
            script: Mutex::new(script),
            requests: Mutex::default(),
            thinks: AtomicBool::default(),
        }
    }

    /// The next reply of the script, if the service would take the request.
    pub(super) fn reply(&self, api: Api, body: Value) -> Result<Reply, ApiError> {
        let number = {
            let mut requests = lock(&self.requests);
            requests.push(body.clone());
            requests.len()
        };
        let dialect = match self.thinks.load(Relaxed) {
            true => Dialect::Thinking,
            false => Dialect::OpenAi,
        };
        let request = api.request(body, dialect)?;
        let reply = (lock(&self.script))(&request);
        if reply.thinks() {
            self.thinks.store(true, Relaxed);
        }
        Ok(Reply {
            number,
            request,
            reply,
        })
    }

    pub(super) fn requests(&self) -> Vec<Value> {
        lock(&self.requests).clone()
    }
}

/// A script that panicked is still the script.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
