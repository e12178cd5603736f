//! The events of a stream to a response.

use std::collections::HashMap;

use serde::de::IgnoredAny;
use tool_core::serde_json::{self, Map, Value};

use super::slot::{Slot, is_same, is_same_but_ids, take_ids, unfinished};
use crate::assembler::Assembler;
use crate::chat::assemble::budget::{Budget, too_much, weight_of};
use crate::error::ModelError;
use crate::json;
use crate::model::ModelEvent;
use crate::responses::completion::{OUTPUT, numbered};
use crate::responses::wire::{Item, Response};
use crate::service_error::ServiceError;
use crate::sse::{Event, Sse};

/// The most items that one response may have.
pub const MAX_ITEMS: usize = 4096;

/// Assembles a response from the events of a stream. [`Assembler`] has its methods.
///
/// Items are known by their `output_index`, since servers change their ids on the way. A call is
/// complete when its item is: with `response.output_item.done` and a `status` of `completed`, or
/// none. `response.function_call_arguments.done` does not complete it, since it comes for calls
/// that are cut short too. The response in the last event must not contradict what was reported
/// before; where it leaves out the items, as some services do, they are taken from the events.
///
/// ```
/// use tool_openai::{Assembler, ModelEvent};
/// use tool_openai::responses::ResponsesAssembler;
///
/// let stream = r#"
/// data: {"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"call_1","name":"now"}}
///
/// data: {"type":"response.function_call_arguments.delta","output_index":0,"delta":"{}"}
///
/// data: {"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"call_1","name":"now","arguments":"{}","status":"completed"}}
///
/// data: {"type":"response.completed","response":{"status":"completed","output":[]}}
///
/// "#;
/// let mut assembler = ResponsesAssembler::new();
/// let mut complete = Vec::new();
/// for byte in stream.as_bytes() {
///     for event in assembler.push_bytes(&[*byte])? {
///         if let ModelEvent::ToolCallComplete { call, .. } = event {
///             complete.push(call.function.name);
///         }
///     }
/// }
/// assert_eq!(complete, ["now"]);
/// assert_eq!(assembler.finish()?.tool_calls()[0].id, "call_1");
/// # Ok::<(), tool_openai::ModelError>(())
/// ```
#[derive(Debug)]
pub struct ResponsesAssembler {
    sse: Sse,
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
    response: Option<Response>,
}

impl Default for ResponsesAssembler {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponsesAssembler {
    /// An empty assembler.
    pub fn new() -> Self {
        Self {
            sse: Sse::new(),
            slots: Vec::new(),
            latest: HashMap::new(),
            calls: 0,
            speaking: None,
            refused: false,
            has_thought: false,
            budget: Budget::new(),
            response: None,
        }
    }
}

impl Assembler for ResponsesAssembler {
    type Output = Response;

    /// Takes more of the body: server-sent events, cut anywhere.
    ///
    /// # Errors
    /// As for [`push_text`](Self::push_text), and if there is an event of type `error`, or one
    /// larger than 16 MiB.
    fn push_bytes(&mut self, bytes: &[u8]) -> Result<Vec<ModelEvent>, ModelError> {
        let events = self.sse.push(bytes)?;
        self.push_all(events)
    }

    /// Takes the data of one event: JSON text, or the `[DONE]` that some services end with.
    ///
    /// # Errors
    /// As for [`push`](Self::push), and if the text is not JSON.
    fn push_text(&mut self, data: &str) -> Result<Vec<ModelEvent>, ModelError> {
        self.take_text(data, false)
    }

    /// Takes one event.
    ///
    /// Items that arrive again as they were, and whatever is not known, make no difference. Nothing
    /// does after the end.
    ///
    /// # Errors
    /// - [`ModelError::StreamError`]: the service reports a failure.
    /// - [`ModelError::InvalidResponse`]: it contradicts itself about a call, or sends more than
    ///   [`MAX_ITEMS`], or than [`MAX_MESSAGE_BYTES`](crate::chat::MAX_MESSAGE_BYTES).
    fn push(&mut self, event: Value) -> Result<Vec<ModelEvent>, ModelError> {
        let mut reported = Vec::new();
        if let Value::Object(mut event) = event
            && !self.is_done()
        {
            self.take(&mut event, &mut reported)?;
        }
        Ok(reported)
    }

    /// Whether the last event has come: what follows makes no difference.
    fn is_done(&self) -> bool {
        self.response.is_some()
    }

    /// The stream is over: what is known only now. Call it once, before
    /// [`finish`](Self::finish), if you need each event.
    ///
    /// # Errors
    /// As for [`push_bytes`](Self::push_bytes), for a last event that the server did not end with a
    /// blank line.
    fn close(&mut self) -> Result<Vec<ModelEvent>, ModelError> {
        let mut events = self.sse.finish()?;
        events.retain(|event| {
            event.event == "error" || serde_json::from_str::<IgnoredAny>(&event.data).is_ok()
        }); // else it is cut
        self.push_all(events)
    }

    /// The response, when all events are in.
    ///
    /// # Errors
    /// [`ModelError::Interrupted`] if the last event is missing, with what has arrived. As for
    /// [`push`](Self::push) else.
    fn finish(mut self) -> Result<Response, ModelError> {
        self.close()?;
        match self.response {
            Some(response) => Ok(response),
            None => {
                let partial = Response {
                    status: Some("incomplete".to_owned()),
                    output: unfinished(self.slots),
                    ..Response::default()
                };
                Err(ModelError::Interrupted {
                    partial: Box::new(partial.into_completion()),
                    request_id: None,
                })
            }
        }
    }
}

impl ResponsesAssembler {
    fn take_text(&mut self, data: &str, is_lossy: bool) -> Result<Vec<ModelEvent>, ModelError> {
        let data = data.trim();
        if self.is_done() || data.is_empty() || data == "[DONE]" {
            return Ok(Vec::new());
        }
        match json::read(data, is_lossy) {
            Ok(event) => self.push(event),
            Err(_) if json::is_other_text(data) => Ok(Vec::new()),
            Err(error) => match json::lines(data, is_lossy) {
                Some(events) => {
                    let events: Result<Vec<_>, _> =
                        events.into_iter().map(|event| self.push(event)).collect();
                    Ok(events?.concat())
                }
                None => Err(ServiceError::within_text(data).map_or_else(
                    || broken(format!("an event of the stream is not JSON: {error}")),
                    ModelError::from,
                )),
            },
        }
    }

    fn push_all(&mut self, events: Vec<Event>) -> Result<Vec<ModelEvent>, ModelError> {
        let mut reported = Vec::new();
        for Event {
            event,
            data,
            is_lossy,
        } in events
        {
            if event == "error" && !self.is_done() {
                return Err(ServiceError::of_event(&data).into());
            }
            reported.extend(self.take_text(&data, is_lossy)?);
        }
        Ok(reported)
    }

    fn take(
        &mut self,
        event: &mut Map<String, Value>,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        let index = event.get("output_index").and_then(Value::as_u64);
        let kind = event
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let item = |event: &mut Map<String, Value>| match event.remove("item") {
            Some(Value::Object(item)) => Some(Item(item)),
            _ => None,
        };
        match kind.as_str() {
            "response.output_item.added" => {
                item(event).map_or(Ok(()), |item| self.added(index, item, reported))
            }
            "response.output_item.done" => {
                item(event).map_or(Ok(()), |item| self.done(index, item, reported))
            }
            "response.output_text.delta"
            | "response.refusal.delta"
            | "response.function_call_arguments.delta"
            | "response.custom_tool_call_input.delta" => {
                match event.get("delta").and_then(Value::as_str) {
                    Some(delta) => {
                        if kind == "response.output_text.delta" && !self.latest.contains_key(&index)
                        {
                            self.begin(
                                index,
                                Item::from([
                                    ("type", "message".into()),
                                    ("role", "assistant".into()),
                                ]),
                                reported,
                            )?;
                        }
                        self.delta(index, kind == "response.refusal.delta", delta, reported)
                    }
                    None => Ok(()),
                }
            }
            // The reasoning is in the item too, when that is done.
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                if let Some(delta) = event.get("delta").and_then(Value::as_str) {
                    self.budget.spend(delta.len())?;
                    reported.push(ModelEvent::Thinking(delta.to_owned()));
                }
                Ok(())
            }
            "response.reasoning_summary_part.added" => {
                if event.get("summary_index").is_some_and(|index| *index != 0) {
                    reported.push(ModelEvent::Thinking("\n\n".to_owned()));
                }
                Ok(())
            }
            // All of it again, or for the first time.
            "response.output_text.done"
            | "response.function_call_arguments.done"
            | "response.custom_tool_call_input.done" => {
                let keys = ["text", "arguments", "input"];
                let whole = keys.iter().find_map(|key| event.get(*key)?.as_str());
                whole.map_or(Ok(()), |whole| self.whole(index, whole, reported))
            }
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled" => self.over(
                &kind,
                event.remove("response").unwrap_or_default(),
                reported,
            ),
            "error" => {
                let text_of_event = Value::Object(std::mem::take(event)).to_string();
                Err(ServiceError::of_event(&text_of_event).into())
            }
            _ => match event.get("error").and_then(ServiceError::of) {
                Some(error) => Err(error.into()),
                None => Ok(()),
            },
        }
    }

    fn added(
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
    fn delta(
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
    fn whole(
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

    fn done(
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

    fn repeated(&self, place: usize, item: &Item) -> Result<(), ModelError> {
        let slot = &self.slots[place];
        match item.tool_call() == slot.item.tool_call() {
            true => Ok(()),
            false => Err(broken(format!(
                "the stream contradicts itself about the call `{}`",
                slot.item.str("call_id")
            ))),
        }
    }

    fn over(
        &mut self,
        kind: &str,
        response: Value,
        reported: &mut Vec<ModelEvent>,
    ) -> Result<(), ModelError> {
        let mut response = match response {
            Value::Object(response) => response,
            _ => Map::new(),
        };
        response.entry("output").or_insert(Value::Null);
        response
            .entry("status")
            .or_insert_with(|| kind.trim_start_matches("response.").into());
        let response: Response =
            serde_json::from_value(Value::Object(response)).map_err(|error| {
                broken(format!(
                    "the last event of the stream has no response: {error}"
                ))
            })?;
        let mut response = response.check()?;
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
            let calls = |items: &mut dyn Iterator<Item = &Item>| {
                items.filter_map(Item::tool_call).collect::<Vec<_>>()
            };
            let (last, before) = (
                calls(&mut response.output.iter()),
                calls(&mut self.slots.iter().map(|slot| &slot.item)),
            );
            if !response.output.is_empty() && last != before {
                return Err(broken(
                    "the last event of the stream has other calls than those before".to_owned(),
                ));
            }
            let slots = std::mem::take(&mut self.slots);
            let done: Vec<bool> = slots.iter().map(|slot| slot.done).collect();
            response.output = unfinished(slots);
            response.complete_calls(|position| !done[position]);
        }
        self.response = Some(response);
        Ok(())
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

fn broken(reason: String) -> ModelError {
    ModelError::invalid_response(reason)
}
