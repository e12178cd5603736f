//! Shows live which call runs where: redrawn in a terminal, line by line otherwise.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stdout};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What is known of the calls.
pub(crate) struct Display {
    began: Instant,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// By the tool's name: the workers that it began on, in order, and whether it has ended.
    calls: BTreeMap<String, (Vec<usize>, bool)>,
    killed: usize,
    /// Lines that were drawn last.
    lines: usize,
}

impl Default for Display {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            seen: Mutex::default(),
        }
    }
}

impl Display {
    /// A worker has written a line.
    pub(crate) fn happened(&self, worker: usize, line: &str) {
        self.change(|seen| {
            let (what, tool) = line.split_once(' ').unwrap_or_default();
            if let "began" | "ended" = what {
                let (workers, has_ended) = seen.calls.entry(tool.to_owned()).or_default();
                match what {
                    "began" => workers.push(worker),
                    _ => *has_ended = true,
                }
            }
            format!("worker {}: {line}", worker + 1)
        });
    }

    pub(crate) fn killed(&self, worker: usize) {
        self.change(|seen| {
            seen.killed += 1;
            format!("worker {} is killed", worker + 1)
        });
    }

    /// The worker that runs most calls, if any runs one.
    pub(crate) fn busiest(&self) -> Option<usize> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let running = seen.calls.values().filter(|(_, ended)| !ended);
        let mut counts = BTreeMap::<usize, usize>::new();
        for worker in running.filter_map(|(workers, _)| workers.last()) {
            *counts.entry(*worker).or_default() += 1;
        }
        counts
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .map(|(worker, _)| worker)
    }

    /// The result of all calls.
    pub(crate) fn sentence(&self) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let again: usize = seen
            .calls
            .values()
            .map(|(workers, _)| workers.len().saturating_sub(1))
            .sum();
        format!(
            "{} calls in {:.1?}; {} workers killed, {again} calls begun again.",
            seen.calls.len(),
            self.began.elapsed(),
            seen.killed
        )
    }

    fn change(&self, change: impl FnOnce(&mut Seen) -> String) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let line = change(&mut seen);
        let mut out = stdout().lock();
        // Without a terminal the output is read later, or not at all.
        _ = match out.is_terminal() {
            true => seen.draw(&mut out),
            false => writeln!(out, "{:>7.1?}  {line}", self.began.elapsed()),
        };
    }
}

impl Seen {
    fn draw(&mut self, out: &mut impl Write) -> std::io::Result<()> {
        if self.lines > 0 {
            write!(out, "\x1b[{}A", self.lines)?;
        }
        for (tool, (workers, ended)) in &self.calls {
            let way: Vec<String> = workers
                .iter()
                .map(|worker| format!("worker {}", worker + 1))
                .collect();
            let state = if *ended { "done" } else { "…" };
            writeln!(out, "\x1b[2K{tool:<26} {} {state}", way.join(" → "))?;
        }
        writeln!(out, "\x1b[2K{} workers killed", self.killed)?;
        self.lines = self.calls.len() + 1;
        out.flush()
    }
}
