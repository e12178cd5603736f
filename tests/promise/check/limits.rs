//! No more calls run at once than the dispatcher, or a tool, allows: a call of the program starts
//! while fewer than the limit are unfinished, a nested one while fewer are running. A call that waits
//! for nested ones is not running, and continues at once.
//!
//! The trace does not show when exactly a call gets its permit. At any time: of the unfinished
//! calls no more than the limit are the program's, and no more than the limit have never waited for
//! nested ones.

use std::collections::BTreeSet;

use crate::history::History;
use crate::trace::What;

/// Which calls hold permits for certain, as the trace continues.
#[derive(Default)]
struct Holding {
    tasks: BTreeSet<usize>,
    threads: BTreeSet<usize>,
    /// Calls that have waited for nested ones.
    parents: BTreeSet<usize>,
}

impl Holding {
    /// Takes note of an entry. Whether a call may hold a permit now that held none before.
    fn note(&mut self, what: &What) -> bool {
        match *what {
            What::Poll(call) => return self.tasks.insert(call),
            What::Enters {
                call,
                on_thread: true,
                ..
            } => return self.threads.insert(call),
            What::Waits { call, .. } => _ = self.parents.insert(call),
            What::Leaves { call, on_thread } => {
                let held = if on_thread {
                    &mut self.threads
                } else {
                    &mut self.tasks
                };
                held.remove(&call);
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
            let unfinished = holding.tasks.union(&holding.threads).copied();
            let unfinished: BTreeSet<usize> = unfinished.collect();
            let of_program = |call: &usize| history.call(*call).depth == 0;
            let never_waited = |call: &usize| !holding.parents.contains(call);
            for counted in [
                unfinished.iter().copied().filter(of_program).collect(),
                unfinished.iter().copied().filter(never_waited).collect(),
            ] {
                let fault = too_many(history, &counted);
                faults.extend(fault.map(|what| format!("at {}: {what}", entry.at)));
            }
        }
    }
}

fn too_many(history: &History, counted: &BTreeSet<usize>) -> Option<String> {
    if counted.len() > history.plan().world.limit {
        return Some(format!("{counted:?} run at once"));
    }
    let crowded = counted.iter().find(|&&call| {
        let plan = history.call(call);
        let of_tool = |other: &&usize| history.call(**other).name == plan.name;
        let most = plan.kind.concurrency;
        most.is_some_and(|most| counted.iter().filter(of_tool).count() > most)
    });
    crowded.map(|&call| {
        let name = &history.call(call).name;
        format!("{counted:?} run at once, too many of them calls of `{name}`")
    })
}
