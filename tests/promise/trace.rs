//! What happened, in order, with the time on the runtime's clock.

use std::fmt;
use std::sync::Mutex;

use tokio::time::Instant;
use tool_core::ToolResult;

use crate::world::End;

/// Notes what happens.
#[derive(Debug)]
pub(crate) struct Trace {
    begun: Instant,
    entries: Mutex<Vec<Entry>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Milliseconds since the case began.
    pub(crate) at: u64,
    pub(crate) what: What,
}

/// Numbers are calls, unless named otherwise.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A batch is handed over, or its turn begun.
    Begins {
        batch: usize,
    },
    Opens(usize),
    Completes(usize),
    CutsOff(usize),
    /// The message of a turn is over.
    Ends {
        batch: usize,
    },
    Cancels {
        batch: usize,
    },
    /// Its caller dropped it.
    Drops {
        batch: usize,
    },
    /// All its results are there.
    Returns {
        batch: usize,
        results: usize,
    },
    /// The held calls of a batch are decided on.
    Resumes {
        batch: usize,
    },
    /// The policy is asked.
    Asks(usize),
    Decides(usize),
    /// The policy is asked about what cannot run.
    AsksInVain(String),
    /// The outermost layer gets the call.
    Layer(usize),
    /// The tool begins to run.
    Enters {
        call: usize,
        on_thread: bool,
        attempt: u32,
        key: String,
        deadline: Option<u64>,
    },
    Poll(usize),
    /// It waits for calls within it.
    Waits {
        call: usize,
        batch: usize,
    },
    Continues {
        call: usize,
        batch: usize,
    },
    /// The tool knows its answer.
    Answers(usize, End),
    /// The tool's future is dropped, or its thread is done.
    Leaves {
        call: usize,
        on_thread: bool,
    },
    /// A thread is cancelled.
    Reported(usize),
    /// Nothing that the dispatcher started is alive.
    Idle,
    /// Work waits for a thread: so much after this.
    Queued(usize),
    Known(usize, Answer),
}

/// A result.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) position: usize,
    pub(crate) id: String,
    pub(crate) code: &'static str,
    pub(crate) is_fatal: bool,
    pub(crate) started: Option<u64>,
    pub(crate) finished: u64,
    pub(crate) content: String,
}

impl Trace {
    pub(crate) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            entries: Mutex::default(),
        }
    }

    pub(crate) fn note(&self, what: What) {
        let at = self.millis(Instant::now());
        self.entries.lock().unwrap().push(Entry { at, what });
    }

    pub(crate) fn note_result(&self, call: usize, result: &ToolResult) {
        let answer = Answer {
            position: result.position(),
            id: result.id().to_owned(),
            code: result
                .outcome()
                .err()
                .map_or("ok", |error| error.code().as_str()),
            is_fatal: result.outcome().is_err_and(tool_core::ToolError::is_fatal),
            started: result.started().map(|at| self.millis(at.into())),
            finished: self.millis(result.finished().into()),
            content: result.content().into_owned(),
        };
        self.note(What::Known(call, answer));
    }

    pub(crate) fn millis(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.begun)
            .as_millis()
            .try_into()
            .unwrap_or(u64::MAX)
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7} ", self.at)?;
        match &self.what {
            What::Known(
                call,
                Answer {
                    code,
                    started,
                    finished,
                    position,
                    ..
                },
            ) => {
                write!(
                    f,
                    "Known({call}) at {position}: {code}, ran {started:?}..{finished}"
                )
            }
            what => write!(f, "{what:?}"),
        }
    }
}
