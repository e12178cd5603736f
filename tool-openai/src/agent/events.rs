//! Reports events of a run to its callback and its stream.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tool_core::{DispatchEvent, ToolResult};

use super::{AgentEvent, span};

pub(super) type OnEvent = Arc<dyn Fn(&AgentEvent) + Send + Sync>;

/// Events that are not delivered yet.
#[derive(Clone, Default)]
pub(super) struct Queue(Arc<Mutex<VecDeque<AgentEvent>>>);

impl Queue {
    fn push(&self, event: AgentEvent) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.push_back(event);
    }

    pub(super) fn pop(&self) -> Option<AgentEvent> {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.pop_front()
    }
}

/// Reports the events of one run.
pub(super) struct Events {
    on_event: Option<OnEvent>,
    queue: Option<Queue>,
    /// The calls of this turn whose results are reported, and whether as held.
    answered: BTreeMap<usize, bool>,
}

impl Events {
    pub(super) fn new(on_event: Option<OnEvent>, queue: Option<Queue>) -> Self {
        Self {
            on_event,
            queue,
            answered: BTreeMap::new(),
        }
    }

    pub(super) fn emit(&mut self, event: AgentEvent) {
        span::note_event(&event);
        if let Some(on_event) = &self.on_event {
            on_event(&event);
        }
        if let Some(queue) = &self.queue {
            queue.push(event);
        }
    }

    pub(super) fn report_tools(&mut self, event: DispatchEvent) {
        match event {
            DispatchEvent::Progress(progress) => self.emit(AgentEvent::Progress(progress)),
            DispatchEvent::Result(result) => {
                self.report_result(&result);
            }
            _ => {}
        }
    }

    pub(super) fn report_turn_started(&mut self, turn: usize) {
        self.answered.clear();
        self.emit(AgentEvent::TurnStarted { turn });
    }

    /// The results of a resumed run were reported before, except those of held calls.
    pub(super) fn have_reported(&mut self, results: &[ToolResult]) {
        for result in results {
            let is_held = result.held_for().is_some();
            self.answered.insert(result.position(), is_held);
        }
    }

    /// Once for each call, and once more if it was reported as held and is answered now.
    fn report_result(&mut self, result: &ToolResult) {
        let is_held = result.held_for().is_some();
        let reported = self.answered.insert(result.position(), is_held);
        if reported.is_none_or(|was_held| was_held && !is_held) {
            self.emit(AgentEvent::Result(result.clone()));
        }
    }

    /// Calls that were stopped have results that are not reported yet.
    pub(super) fn report_results(&mut self, results: &[ToolResult]) {
        for result in results {
            self.report_result(result);
        }
        self.emit(AgentEvent::Results(results.to_vec()));
    }
}
