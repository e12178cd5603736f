//! The items of a stream, as far as they have arrived.

use std::collections::HashMap;

use tool_core::serde_json::{Map, Value};

use super::slot::{Slot, is_same, is_same_but_ids, take_ids, unfinished};
use crate::chat::assemble::budget::{Budget, too_much, weight_of};
use crate::error::ModelError;
use crate::model::ModelEvent;
use crate::responses::completion::{OUTPUT, numbered};
use crate::responses::wire::{Item, Response};

/// The most items that one response may have.
pub const MAX_ITEMS: usize = 4096;

/// The items of a stream, as far as they have arrived. An item is open until its last event; then it
/// is done, and nothing changes it.
#[derive(Debug)]
pub(super) struct Items {
    slots: Vec<Slot>,
    /// The latest item of each `output_index`. Servers that do not number have all at `None`.
    latest: HashMap<Option<u64>, usize>,
    calls: usize,
    /// The message whose text was reported last.
    speaking: Option<usize>,
    /// After a refusal there is nothing to run.
    refused: bool,
    /// Whether a piece of reasoning is done.
    has_thought: bool,
    budget: Budget,
}

impl Items {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            latest: HashMap::new(),
            calls: 0,
            speaking: None,
            refused: false,
            has_thought: false,
            budget: Budget::new(),
        }
    }

    /// `response.output_item.added`. Some services announce an item twice: the second time makes no
    /// difference while it is open.
    pub(super) fn added(
        &mut self,
        index: Option<u64>,
        item: Item,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        let open = self
            .latest
            .get(&index)
            .filter(|slot| !self.slots[**slot].done && is_same(&self.slots[**slot].item, &item));
        if open.is_none() {
            self.begin(index, item, reported)?;
        }
        Ok(())
    }

    /// Text for a message that never began begins it.
    pub(super) fn begin_text(
        &mut self,
        index: Option<u64>,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        if !self.latest.contains_key(&index) {
            let message = [("type", "message".into()), ("role", "assistant".into())];
            self.begin(index, Item::from(message), reported)?;
        }
        Ok(())
    }

    /// The text of reasoning is only reported: it is in the item too, when that is done.
    pub(super) fn thinking(
        &mut self,
        delta: &str,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        self.budget.spend(delta.len())?;
        reported.push(ModelEvent::Thinking(delta.to_owned()));
        Ok(())
    }

    /// A new item. Where a server uses an `output_index` again, it is the new item's from now on.
    fn begin(
        &mut self,
        index: Option<u64>,
        item: Item,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<usize, ModelError> {
        self.budget.spend(weight_of(&item.0))?;
        let place = self.slots.len();
        if place == MAX_ITEMS {
            return Err(too_much(MAX_ITEMS, "items"));
        }
        // Positions count calls alone, as the positions of results do.
        let call = item.tool_call().map(|call| {
            let position = self.calls;
            self.calls += 1;
            reported.push(ModelEvent::ToolCallStarted {
                position,
                name: call.custom.map_or(call.function.name, |custom| custom.name),
            });
            position
        });
        self.slots.push(Slot {
            item,
            call,
            text: String::new(),
            refusal: String::new(),
            done: false,
        });
        self.latest.insert(index, place);
        Ok(place)
    }

    /// Text for an item that never began is in the item when that is done.
    pub(super) fn delta(
        &mut self,
        index: Option<u64>,
        refusal: bool,
        delta: &str,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        match self.latest.get(&index) {
            Some(place) if !self.slots[*place].done => {
                self.report_delta(*place, refusal, delta, reported)
            }
            _ => Ok(()),
        }
    }

    /// The text of an item, all of it: the part that no delta has reported is reported.
    pub(super) fn whole(
        &mut self,
        index: Option<u64>,
        whole: &str,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        let open = self.latest.get(&index).copied();
        let Some(place) = open.filter(|place| !self.slots[*place].done) else {
            return Ok(());
        };
        match whole.strip_prefix(&*self.slots[place].text) {
            Some(rest) => self.report_delta(place, false, rest, reported),
            None => {
                self.budget.spend(whole.len())?;
                whole.clone_into(&mut self.slots[place].text); // its final text
                Ok(())
            }
        }
    }

    /// Reports text, and keeps it: what comes whole at the end is compared with it.
    fn report_delta(
        &mut self,
        place: usize,
        refusal: bool,
        delta: &str,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        if delta.is_empty() {
            return Ok(());
        }
        self.budget.spend(delta.len())?;
        let event = match self.slots[place].call {
            Some(position) => ModelEvent::ToolCallDelta {
                position,
                delta: delta.to_owned(),
            },
            None if refusal => ModelEvent::Refusal(delta.to_owned()),
            // Two messages in one answer are two paragraphs of its text.
            None => match self.speaking.replace(place) {
                Some(before) if before != place => ModelEvent::Text(format!("\n\n{delta}")),
                _ => ModelEvent::Text(delta.to_owned()),
            },
        };
        reported.push(event);
        self.refused |= refusal;
        let slot = &mut self.slots[place];
        if refusal {
            &mut slot.refusal
        } else {
            &mut slot.text
        }
        .push_str(delta);
        Ok(())
    }

    /// `response.output_item.done`. An item that was never announced begins here, and ends.
    pub(super) fn done(
        &mut self,
        index: Option<u64>,
        mut item: Item,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        self.keep_ids(index, &mut item);
        let place = match self.place_of(index, &item) {
            Some(place) if self.slots[place].done => return self.repeated(place, &item),
            Some(place) => {
                self.budget.spend(weight_of(&item.0))?;
                place
            }
            None => self.begin(index, item.clone(), reported)?,
        };
        self.settle(place, item, reported)
    }

    /// Some services give a call other ids at its end: those that it began with stay.
    fn keep_ids(&self, index: Option<u64>, item: &mut Item) {
        let open = index.and_then(|_| self.latest.get(&index));
        let Some(slot) = open.map(|place| &self.slots[*place]) else {
            return;
        };
        // Only if the arguments continue what was reported: else it is another call.
        let continues = numbered(item, 0).is_some_and(|call| {
            let text = match &call.custom {
                Some(custom) => &custom.input,
                None => &call.function.arguments,
            };
            text.starts_with(&slot.text)
        });
        if continues && !slot.done && is_same_but_ids(&slot.item, item) {
            take_ids(item, &slot.item);
        }
    }

    /// The item that this describes: the latest of its index, or where there is none, the
    /// open call of its id.
    fn place_of(&self, index: Option<u64>, item: &Item) -> Option<usize> {
        let is_it = |place: &usize| is_same(&self.slots[*place].item, item);
        let id = item.str("call_id");
        let is_open = |slot: &Slot| !slot.done && !id.is_empty() && slot.item.str("call_id") == id;
        let by_id = || {
            self.slots
                .iter()
                .position(is_open)
                .filter(|_| index.is_none())
                .filter(is_it)
        };
        self.latest
            .get(&index)
            .copied()
            .filter(is_it)
            .or_else(by_id)
    }

    /// Reports the rest of an item that is done.
    fn settle(
        &mut self,
        place: usize,
        item: Item,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        let call = numbered(&item, place);
        let text = match &call {
            Some(call) => call
                .custom
                .as_ref()
                .map_or(&call.function.arguments, |custom| &custom.input)
                .clone(),
            None => item.text(),
        };
        // If it differs from what was reported, only the item has the final text.
        for (refusal, text) in [(false, text), (true, item.refusal())] {
            let slot = &self.slots[place];
            if let Some(rest) = text.strip_prefix(if refusal { &slot.refusal } else { &slot.text })
            {
                self.report_delta(place, refusal, rest, reported)?;
            }
        }
        self.keep(place, &item, reported);
        let slot = &mut self.slots[place];
        // A call that was cut is never reported as complete, so nothing runs it; nor does a call that
        // comes with a refusal.
        if let (Some(position), Some(call), true) =
            (slot.call, call, item.is_complete() && !self.refused)
        {
            reported.push(ModelEvent::ToolCallComplete { position, call });
        }
        slot.item = item;
        slot.done = true;
        Ok(())
    }

    /// Reports an item that is done, by its place, for a response that breaks off after a call of
    /// it has run. The calls alone are enough, unless there is reasoning between them.
    fn keep(&mut self, place: usize, item: &Item, reported: &mut Vec<ModelEvent>) {
        let is_first = item.kind() == "reasoning" && !self.has_thought;
        self.has_thought |= is_first;
        if !self.has_thought {
            return;
        }
        let before = self.slots.iter().enumerate();
        let before = before.filter(|(_, slot)| slot.done && is_first);
        let items = before.map(|(place, slot)| (place, &slot.item));
        let items = items.chain([(place, item)]);
        let output = items.map(|(place, Item(item))| (place.to_string(), item.clone().into()));
        let keys = Map::from_iter([(OUTPUT.to_owned(), Value::Object(output.collect()))]);
        reported.push(ModelEvent::MessageKeys(keys));
    }

    /// An item that is done and comes again: a call of it may run already, so it must be the same.
    fn repeated(&self, place: usize, item: &Item) -> Result<(), ModelError> {
        let slot = &self.slots[place];
        match item.tool_call() == slot.item.tool_call() {
            true => Ok(()),
            false => Err(ModelError::invalid_response(format!(
                "the stream contradicts itself about the call `{}`",
                slot.item.str("call_id")
            ))),
        }
    }

    /// What is known of all of them.
    pub(super) fn unfinished(self) -> Vec<Item> {
        unfinished(self.slots)
    }

    /// The response of the last event, which must not contradict the items before it, and gets those
    /// that it leaves out.
    pub(super) fn end(
        &mut self,
        mut response: Response,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<Response, ModelError> {
        // A call keeps the ids that were reported with it: its result is sent back under them.
        let are_same = response.output.len() == self.slots.len()
            && self.slots.iter().zip(&response.output).all(|(slot, item)| {
                let item = Item::clone(item);
                is_same_but_ids(&slot.item, &item) && slot.has_text_of(&item)
            });
        if are_same {
            for (slot, item) in self.slots.iter().zip(&mut response.output) {
                // The id of a piece of reasoning belongs to what is encrypted in it.
                if slot.call.is_some() {
                    take_ids(item, &slot.item);
                }
            }
        }
        // The last event may add to what was reported, and end what is open.
        if self.is_account(&response.output) {
            for (place, item) in response.output.iter().enumerate() {
                match self.slots.get(place) {
                    Some(slot) if slot.done => {}
                    Some(_) => self.settle(place, item.clone(), reported)?,
                    None => {
                        let place = self.begin(None, item.clone(), reported)?;
                        self.settle(place, item.clone(), reported)?;
                    }
                }
            }
        } else {
            // Otherwise what was reported counts. The text may differ, and all items may be missing;
            // other calls would leave what runs without a place in the history.
            let calls = |items: &mut dyn Iterator<Item = &Item>| {
                items.filter_map(Item::tool_call).collect::<Vec<_>>()
            };
            let (last, before) = (
                calls(&mut response.output.iter()),
                calls(&mut self.slots.iter().map(|slot| &slot.item)),
            );
            if !response.output.is_empty() && last != before {
                return Err(ModelError::invalid_response(
                    "the last event of the stream has other calls than those before".to_owned(),
                ));
            }
            let slots = std::mem::take(&mut self.slots);
            let done: Vec<bool> = slots.iter().map(|slot| slot.done).collect();
            response.output = unfinished(slots);
            response.complete_calls(|position| !done[position]);
        }
        Ok(response)
    }

    /// Whether the last event gives all items that came before, in their order, each call as it
    /// was.
    fn is_account(&self, output: &[Item]) -> bool {
        let agrees = |(slot, item): (&Slot, &Item)| {
            is_same(&slot.item, item) && (!slot.done || slot.item.tool_call() == item.tool_call())
        };
        output.len() >= self.slots.len() && self.slots.iter().zip(output).all(agrees)
    }
}
