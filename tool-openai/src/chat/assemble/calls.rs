//! The calls of one message: which of them a piece belongs to, and which are complete.

use std::collections::{HashMap, HashSet};
use std::mem;

use super::budget::{Budget, MAX_CALLS, too_much, weight_of};
use super::call::Call;
use super::entry::Entry;
use crate::chat::wire::ToolCall;
use crate::error::ModelError;
use crate::model::ModelEvent;

/// Longer than any name of a tool that services take.
const MAX_NAME_BYTES: usize = 512;

/// What pieces are read with.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    /// Names of tools, if they are known.
    pub(super) tools: &'a HashSet<String>,
    pub(super) budget: &'a mut Budget,
    pub(super) events: &'a mut Vec<ModelEvent>,
    /// Whether what is read is a whole answer: then each entry is a call.
    pub(super) whole: bool,
}

/// Calls in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
    /// The latest call of an id.
    by_id: HashMap<String, usize>,
    /// The latest call of an index. Indices are names here, never places: they may begin anywhere
    /// and be any number.
    by_index: HashMap<i64, usize>,
    /// The call that the latest piece belonged to.
    current: Option<usize>,
    /// Whether the model refused, so that nothing is to be run.
    refused: bool,
    /// How many lists of pieces have come.
    lists: usize,
}

/// Where a piece goes.
enum Route {
    To(usize),
    /// The JSON before the piece was only a placeholder.
    Restart(usize),
    /// The piece is an object like those before it: they are one, of which the later value counts.
    Merge(usize),
    /// A call begins; if the piece has no name, it calls the same tool as this one.
    New(Option<usize>),
    /// The piece repeats an earlier one.
    Drop,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// No call is complete from now on.
    pub(super) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Pieces of another list come: those of one list are never one object.
    pub(super) fn begin_list(&mut self) {
        self.lists += 1;
    }

    /// Whether a call has begun under this id, with something of its arguments.
    pub(super) fn has_text_of(&self, id: &str) -> bool {
        let call = self.by_id.get(id).map(|slot| &self.calls[*slot]);
        call.is_some_and(|call| !is_blank(call.text()))
    }

    /// Takes one piece.
    ///
    /// # Errors
    ///
    /// There are more calls, or more text, than are kept.
    pub(super) fn push(
        &mut self,
        mut entry: Entry,
        scene: &mut Scene<'_>,
    ) -> Result<(), ModelError> {
        let mut merges = false;
        let route = match scene.whole {
            true => Route::New(None),
            false => self.route(&entry, scene.tools),
        };
        let slot = match route {
            Route::To(slot) => slot,
            Route::Restart(slot) => {
                self.calls[slot].restart();
                slot
            }
            Route::Merge(slot) => {
                merges = true;
                slot
            }
            Route::New(_) if entry.is_idle() => return Ok(()),
            Route::New(like) => {
                if let (true, Some(like)) = (entry.name.is_empty(), like) {
                    entry.name = self.calls[like].name().to_owned();
                }
                self.calls.len()
            }
            Route::Drop => return Ok(()),
        };
        if let Some(before) = self.current
            && before != slot
        {
            self.leave(before, scene.events);
        }
        self.current = Some(slot);
        let list = self.lists;
        scene.budget.spend(entry.text.len())?;
        if let Some(index) = entry.index {
            self.by_index.insert(index, slot);
        }
        if merges {
            return self.merge(slot, entry, scene);
        }
        if slot == self.calls.len() {
            self.begin(&mut entry, scene)?;
        } else {
            self.continue_call(slot, &mut entry, scene)?;
        }
        let call = &mut self.calls[slot];
        call.list = list;
        let is_first = call.text().is_empty();
        if let Some(members) = entry.object.take().filter(|_| is_first) {
            scene.budget.spend(weight_of(&members))?;
            call.object = Some(members);
        } else if !entry.text.is_empty() {
            call.join_objects();
        }
        self.write(slot, entry.text, scene.events);
        Ok(())
    }

    /// One more object of those that the arguments came as.
    fn merge(
        &mut self,
        slot: usize,
        entry: Entry,
        scene: &mut Scene<'_>,
    ) -> Result<(), ModelError> {
        let members = entry.object.unwrap_or_default();
        scene.budget.spend(weight_of(&members))?;
        let call = &mut self.calls[slot];
        call.list = self.lists;
        call.object.get_or_insert_default().extend(members);
        scene.events.push(ModelEvent::ToolCallDelta {
            position: slot,
            delta: entry.text,
        });
        Ok(())
    }

    fn begin(&mut self, entry: &mut Entry, scene: &mut Scene<'_>) -> Result<(), ModelError> {
        let position = self.calls.len();
        if position == MAX_CALLS {
            return Err(too_much(MAX_CALLS, "tool calls"));
        }
        let grown = size_of::<Call>()
            + entry.name.len()
            + weight_of(&entry.extra)
            + weight_of(&entry.inner);
        scene.budget.spend(grown)?;
        let call = Call::new(entry);
        scene.events.push(ModelEvent::ToolCallStarted {
            position,
            name: call.name().to_owned(),
        });
        self.calls.push(call);
        self.identify(position, mem::take(&mut entry.id), scene)
    }

    /// More of a call that has begun. Its first index stays, also where a service numbers anew.
    fn continue_call(
        &mut self,
        slot: usize,
        entry: &mut Entry,
        scene: &mut Scene<'_>,
    ) -> Result<(), ModelError> {
        let call = &mut self.calls[slot];
        let grown = call.merge(entry);
        scene.budget.spend(grown)?;
        call.index = call.index.or(entry.index);
        call.named_again |= !entry.name.is_empty() && call.closed().is_some();
        call.rename(mem::take(&mut entry.name), scene)?;
        self.identify(slot, mem::take(&mut entry.id), scene)
    }

    /// Ids that a call does not keep are forgotten: old vLLM invents one for each piece.
    fn identify(
        &mut self,
        slot: usize,
        id: String,
        scene: &mut Scene<'_>,
    ) -> Result<(), ModelError> {
        let call = &mut self.calls[slot];
        if id.is_empty() {
            return Ok(());
        }
        if let Some(latest) = self.by_id.get_mut(&id) {
            *latest = slot;
        }
        if call.wire.id.is_empty() {
            scene.budget.spend(2 * id.len())?;
            self.by_id.insert(id.clone(), slot);
            call.wire.id = id;
        }
        Ok(())
    }

    fn write(&mut self, slot: usize, text: String, events: &mut Vec<ModelEvent>) {
        let call = &mut self.calls[slot];
        let over = call.complete || call.closed().is_some();
        if text.is_empty() || (over && (is_blank(&text) || call.text() == text)) {
            return;
        }
        if mem::take(&mut call.complete) {
            call.reopened = true;
            events.push(ModelEvent::ToolCallReopened { position: slot });
        }
        call.push(&text);
        events.push(ModelEvent::ToolCallDelta {
            position: slot,
            delta: text,
        });
    }

    /// A piece of another call has come. What was reopened waits for the end, or else a text could
    /// be reported many times; so does what came as an object, since more of it may come.
    fn leave(&mut self, slot: usize, events: &mut Vec<ModelEvent>) {
        let call = &self.calls[slot];
        if !call.reopened && call.object.is_none() {
            self.complete(slot, false, events);
        }
    }

    fn complete(&mut self, slot: usize, cut: bool, events: &mut Vec<ModelEvent>) {
        let call = &mut self.calls[slot];
        if !self.refused && !call.complete && call.may_end(cut) {
            call.complete = true;
            events.push(ModelEvent::ToolCallComplete {
                position: slot,
                call: call.wire.clone(),
            });
        }
    }

    /// The message is over. What is not complete after this is incomplete.
    pub(super) fn end(&mut self, cut: bool, events: &mut Vec<ModelEvent>) {
        for slot in 0..self.calls.len() {
            self.calls[slot].join_objects();
            self.complete(slot, cut, events);
        }
    }

    pub(super) fn are_complete(&self) -> bool {
        self.calls.iter().all(|call| call.complete)
    }

    pub(super) fn into_wire(self) -> Vec<ToolCall> {
        self.calls.into_iter().map(|call| call.wire).collect()
    }

    fn route(&self, entry: &Entry, tools: &HashSet<String>) -> Route {
        match self.slot_of(entry, tools) {
            Some(slot) => self.route_within(slot, entry),
            None => Route::New(None),
        }
    }

    /// The call that a piece names, or continues with.
    fn slot_of(&self, entry: &Entry, tools: &HashSet<String>) -> Option<usize> {
        let indexed = entry
            .index
            .and_then(|index| self.by_index.get(&index).copied());
        if entry.id.is_empty() {
            if entry.index.is_some() && (indexed.is_some() || !entry.name.is_empty()) {
                return indexed.filter(|&slot| {
                    !(self.calls[slot].scan.is_empty() && self.calls[slot].is_left(entry, tools))
                });
            }
            let ended = |call: &Call| call.closed().is_some() && !entry.name.is_empty();
            return self.current.filter(|&slot| {
                !ended(&self.calls[slot]) && !self.calls[slot].is_left(entry, tools)
            });
        }
        if let Some(slot) = indexed.filter(|&slot| self.calls[slot].wire.id == entry.id) {
            return Some(slot);
        }
        if let Some(&slot) = self.by_id.get(&entry.id) {
            // Two calls with one id, as of servers whose ids are the names of tools.
            let is_other = matches!((self.calls[slot].index, entry.index), (Some(known), Some(index)) if known != index);
            return (!is_other).then_some(slot);
        }
        // An id never seen begins a call, whatever its index: Ollama and others number all calls 0.
        let before = if entry.index.is_some() {
            indexed
        } else {
            self.current
        };
        before.filter(|&slot| self.calls[slot].takes_id_of(entry, tools))
    }

    fn route_within(&self, slot: usize, entry: &Entry) -> Route {
        let call = &self.calls[slot];
        let Some(json) = call.closed() else {
            return Route::To(slot);
        };
        let text = entry.text.trim();
        let is_of_call = !entry.id.is_empty() || entry.name.is_empty();
        if !entry.name.is_empty() && !call.name().is_empty() && entry.name != call.name() {
            Route::New(None)
        } else if text.is_empty() {
            Route::To(slot)
        } else if is_of_call
            && call.object.is_some()
            && entry.object.is_some()
            && call.list != self.lists
        {
            Route::Merge(slot)
        } else if text == json {
            Route::Drop
        } else if !text.starts_with('{') {
            Route::To(slot)
        } else if json == "{}" && entry.name.is_empty() && !call.named_again {
            Route::Restart(slot)
        } else if entry.id.is_empty() && entry.name.is_empty() && !call.named_again {
            Route::To(slot) // more of its text, which no longer is one object
        } else {
            Route::New(Some(slot))
        }
    }
}

impl Call {
    /// Whether a piece without id, which names another tool, cannot belong to this call.
    fn is_left(&self, entry: &Entry, tools: &HashSet<String>) -> bool {
        let (known, name) = (self.name(), entry.name.as_str());
        let differs = !name.is_empty() && !known.is_empty() && name != known;
        differs
            && (!self.scan.is_empty()
                || self.renamed(name, tools).is_none()
                || tools.contains(known))
    }

    /// Whether an id that was never seen is the late one of this call, or one of many: old vLLM
    /// invents one for each piece.
    fn takes_id_of(&self, entry: &Entry, tools: &HashSet<String>) -> bool {
        let continues = entry.name.is_empty() && !entry.text.is_empty();
        self.closed().is_none()
            && !self.is_left(entry, tools)
            && (self.wire.id.is_empty() || continues)
    }

    /// The name that a second one makes of the first, if either of them or both together are a
    /// tool's.
    fn renamed(&self, name: &str, tools: &HashSet<String>) -> Option<String> {
        if tools.contains(name) {
            return Some(name.to_owned());
        }
        let fits = self.name().len() + name.len() <= MAX_NAME_BYTES;
        fits.then(|| format!("{}{name}", self.name()))
            .filter(|joined| tools.contains(joined))
    }

    /// A name may come again with each piece, or in pieces of its own.
    fn rename(&mut self, name: String, scene: &mut Scene<'_>) -> Result<(), ModelError> {
        if name.is_empty() || name == self.name() {
            return Ok(());
        }
        if self.name().is_empty() {
            scene.budget.spend(name.len())?;
            *self.name_mut() = name;
        } else if let Some(renamed) = self.renamed(&name, scene.tools) {
            *self.name_mut() = renamed;
        }
        Ok(())
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}
