//! No more calls run at once than the dispatcher, or a tool, allows.

use std::collections::BTreeSet;

use crate::history::History;
use crate::trace::What;

/// Which calls hold permits for certain, as the trace goes on.
#[derive(Default)]
struct Holding {
    tasks: BTreeSet<usize>,
    threads: BTreeSet<usize>,
    /// Threads that wait for calls of their own.
    waiting_threads: BTreeSet<usize>,
    /// Those whose poll is under way.
    polled: BTreeSet<usize>,
    /// The batches that calls wait for.
    waits: BTreeSet<(usize, usize)>,
}

impl Holding {
    /// Takes note of an entry. Says whether a call may hold a permit now that held none before.
    fn note(&mut self, what: &What) -> bool {
        match *what {
            What::Poll(call) => {
                self.polled.insert(call);
                return self.tasks.insert(call);
            }
            What::Enters {
                call,
                on_thread: true,
                ..
            } => return self.threads.insert(call),
            What::GoesOn { call, batch } => {
                self.waits.remove(&(call, batch));
                if self.waiting_threads.remove(&call) {
                    return self.threads.insert(call);
                }
                return self.polled.contains(&call) && self.tasks.insert(call);
            }
            What::Waits { call, batch } => {
                self.waits.insert((call, batch));
                self.tasks.remove(&call);
                if self.threads.remove(&call) {
                    self.waiting_threads.insert(call);
                }
            }
            What::Rests(call) => {
                self.polled.remove(&call);
                if self.waits.iter().any(|(waiting, _)| *waiting == call) {
                    self.tasks.remove(&call);
                }
            }
            What::Leaves {
                call,
                on_thread: false,
            } => {
                self.polled.remove(&call);
                self.tasks.remove(&call);
            }
            What::Leaves {
                call,
                on_thread: true,
            } => {
                self.threads.remove(&call);
                self.waiting_threads.remove(&call);
            }
            _ => {}
        }
        false
    }
}

pub(super) fn check(history: &History, faults: &mut Vec<String>) {
    let mut holding = Holding::default();
    for entry in &history.entries {
        if holding.note(&entry.what) {
            faults
                .extend(too_many(history, &holding).map(|what| format!("at {}: {what}", entry.at)));
        }
    }
}

fn too_many(history: &History, holding: &Holding) -> Option<String> {
    let all: BTreeSet<usize> = holding.tasks.union(&holding.threads).copied().collect();
    if all.len() > history.plan().world.limit {
        return Some(format!("{all:?} run at once"));
    }
    let crowded = all.iter().find(|&&call| {
        let (name, most) = (
            &history.call(call).name,
            history.call(call).kind.concurrency,
        );
        most.is_some_and(|most| {
            all.iter()
                .filter(|&&other| history.call(other).name == *name)
                .count()
                > most
        })
    });
    crowded.map(|&call| {
        format!(
            "{all:?} run at once, too many of them calls of `{}`",
            history.call(call).name
        )
    })
}
