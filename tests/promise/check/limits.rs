//! No more calls run at once than the dispatcher, or a tool, allows.

use std::collections::BTreeSet;

use crate::history::History;
use crate::trace::What;

/// Which calls hold permits for certain, as the trace goes on.
#[derive(Default)]
struct Holding {
    tasks: BTreeSet<usize>,
    threads: BTreeSet<usize>,
    /// Those whose poll is under way.
    polled: BTreeSet<usize>,
}

pub(super) fn check(history: &History, faults: &mut Vec<String>) {
    let mut holding = Holding::default();
    for entry in &history.entries {
        let counts = match entry.what {
            What::Poll(call) => {
                holding.polled.insert(call);
                holding.tasks.insert(call)
            }
            What::Enters { call, on_thread: true, .. } => holding.threads.insert(call),
            What::Rests(call) => holding.polled.remove(&call) && false,
            What::Waits(call) => holding.tasks.remove(&call) && false,
            What::GoesOn(call) => holding.polled.contains(&call) && holding.tasks.insert(call),
            What::Leaves { call, on_thread: false, .. } => {
                holding.polled.remove(&call);
                holding.tasks.remove(&call) && false
            }
            What::Leaves { call, on_thread: true } => holding.threads.remove(&call) && false,
            _ => false,
        };
        if counts {
            faults.extend(too_many(history, &holding).map(|what| format!("at {}: {what}", entry.at)));
        }
    }
}

fn too_many(history: &History, holding: &Holding) -> Option<String> {
    let all: BTreeSet<usize> = holding.tasks.union(&holding.threads).copied().collect();
    if all.len() > history.plan().world.limit {
        return Some(format!("{all:?} run at once"));
    }
    let crowded = all.iter().find(|&&call| {
        let (name, most) = (&history.call(call).name, history.call(call).kind.concurrency);
        most.is_some_and(|most| all.iter().filter(|&&other| history.call(other).name == *name).count() > most)
    });
    crowded.map(|&call| format!("{all:?} run at once, too many of them calls of `{}`", history.call(call).name))
}
