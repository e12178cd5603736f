//! A log of what ran when, written by the tools themselves.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;

/// Notes when each piece of work began and ended, in milliseconds of the runtime's clock since the
/// run_log was begun.
#[derive(Debug)]
pub(crate) struct RunLog {
    begun: Instant,
    entries: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    from: u128,
    to: Option<u128>,
}

impl RunLog {
    pub(crate) fn begin() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            entries: Mutex::default(),
        })
    }

    /// Work begins; it ends when what is returned is dropped, also by a panic or because its future
    /// is.
    pub(crate) fn enter(&self, name: impl Into<String>) -> Inside<'_> {
        let entry = Entry {
            name: name.into(),
            from: self.now(),
            to: None,
        };
        let mut entries = self.entries.lock().unwrap();
        entries.push(entry);
        Inside {
            run_log: self,
            at: entries.len() - 1,
        }
    }

    pub(crate) fn now(&self) -> u128 {
        self.begun.elapsed().as_millis()
    }

    /// In the order in which it began: `name from..to`, or `name from..` where it still runs.
    pub(crate) fn runs(&self) -> Vec<String> {
        let shown = |Entry { name, from, to }: &Entry| match to {
            Some(to) => format!("{name} {from}..{to}"),
            None => format!("{name} {from}.."),
        };
        self.entries.lock().unwrap().iter().map(shown).collect()
    }

    /// The names alone, in the order in which their work began.
    pub(crate) fn begun(&self) -> Vec<String> {
        self.entries
            .lock()
            .unwrap()
            .iter()
            .map(|entry| entry.name.clone())
            .collect()
    }
}

/// Work that is under way.
#[derive(Debug)]
pub(crate) struct Inside<'a> {
    run_log: &'a RunLog,
    at: usize,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let now = self.run_log.now();
        self.run_log.entries.lock().unwrap()[self.at].to = Some(now);
    }
}
