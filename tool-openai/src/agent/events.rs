//! Who is told what happens.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tool_core::{DispatchEvent, ToolResult};

use super::{AgentEvent, span};

pub(super) type OnEvent = Arc<dyn Fn(&AgentEvent) + Send + Sync>;

/// Events that happened and are not told yet.
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

/// Tells of one run.
pub(super) struct Events {
    on_event: Option<OnEvent>,
    queue: Option<Queue>,
    /// Positions of the calls of this turn whose results are told.
    answered: BTreeSet<usize>,
}

impl Events {
    pub(super) fn new(on_event: Option<OnEvent>, queue: Option<Queue>) -> Self {
        Self {
            on_event,
            queue,
            answered: BTreeSet::new(),
        }
    }

    pub(super) fn tell(&mut self, event: AgentEvent) {
        span::note_event(&event);
        if let Some(on_event) = &self.on_event {
            on_event(&event);
        }
        if let Some(queue) = &self.queue {
            queue.push(event);
        }
    }

    pub(super) fn tell_of_tools(&mut self, event: DispatchEvent) {
        match event {
            DispatchEvent::Progress(progress) => self.tell(AgentEvent::Progress(progress)),
            DispatchEvent::Result(result) => {
                self.answered.insert(result.position());
                self.tell(AgentEvent::Result(result));
            }
            _ => {}
        }
    }

    pub(super) fn tell_turn_started(&mut self, turn: usize) {
        self.answered.clear();
        self.tell(AgentEvent::TurnStarted { turn });
    }

    /// The results of a run that goes on were told before, but those of held calls.
    pub(super) fn have_told(&mut self, results: &[ToolResult]) {
        let told = results.iter().filter(|result| result.held_for().is_none());
        self.answered.extend(told.map(ToolResult::position));
    }

    /// Calls that were stopped have results that nothing has told of yet.
    pub(super) fn tell_results(&mut self, results: &[ToolResult]) {
        for result in results {
            if self.answered.insert(result.position()) {
                self.tell(AgentEvent::Result(result.clone()));
            }
        }
        self.tell(AgentEvent::Results(results.to_vec()));
    }
}
