//! The events of a stream to a response.

use serde::de::IgnoredAny;
use tool_core::serde_json::{self, Map, Value};

use super::items::Items;
use crate::assembler::Assembler;
use crate::error::ModelError;
use crate::json;
use crate::model::ModelEvent;
use crate::responses::wire::{Item, Response};
use crate::service_error::ServiceError;
use crate::sse::{Event, Sse};

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
    items: Items,
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
            items: Items::new(),
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
    ///   [`MAX_ITEMS`](super::MAX_ITEMS), or than [`MAX_MESSAGE_BYTES`](crate::chat::MAX_MESSAGE_BYTES).
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
                    output: self.items.unfinished(),
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
                    || {
                        ModelError::invalid_response(format!(
                            "an event of the stream is not JSON: {error}"
                        ))
                    },
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
                item(event).map_or(Ok(()), |item| self.items.added(index, item, reported))
            }
            "response.output_item.done" => {
                item(event).map_or(Ok(()), |item| self.items.done(index, item, reported))
            }
            "response.output_text.delta"
            | "response.refusal.delta"
            | "response.function_call_arguments.delta"
            | "response.custom_tool_call_input.delta" => {
                match event.get("delta").and_then(Value::as_str) {
                    Some(delta) => {
                        if kind == "response.output_text.delta" {
                            self.items.begin_text(index, reported)?;
                        }
                        let refusal = kind == "response.refusal.delta";
                        self.items.delta(index, refusal, delta, reported)
                    }
                    None => Ok(()),
                }
            }
            // The reasoning is in the item too, when that is done.
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                match event.get("delta").and_then(Value::as_str) {
                    Some(delta) => self.items.thinking(delta, reported),
                    None => Ok(()),
                }
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
                whole.map_or(Ok(()), |whole| self.items.whole(index, whole, reported))
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
                ModelError::invalid_response(format!(
                    "the last event of the stream has no response: {error}"
                ))
            })?;
        self.response = Some(self.items.end(response.check()?, reported)?);
        Ok(())
    }
}
