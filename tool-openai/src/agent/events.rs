//! Who is told what happens.

use std::collections::{BTreeMap, VecDeque};
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
    /// The calls of this turn whose results are told, and whether as held.
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
                self.tell_result(&result);
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
        for result in results {
            let is_held = result.held_for().is_some();
            self.answered.insert(result.position(), is_held);
        }
    }

    /// Once for each call, and once more if it was told as held and is answered now.
    fn tell_result(&mut self, result: &ToolResult) {
        let is_held = result.held_for().is_some();
        let told = self.answered.insert(result.position(), is_held);
        if told.is_none_or(|was_held| was_held && !is_held) {
            self.tell(AgentEvent::Result(result.clone()));
        }
    }

    /// Calls that were stopped have results that nothing has told of yet.
    pub(super) fn tell_results(&mut self, results: &[ToolResult]) {
        for result in results {
            self.tell_result(result);
        }
        self.tell(AgentEvent::Results(results.to_vec()));
    }
}
