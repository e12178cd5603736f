//! An answer of the Responses API as a chat completion.

use tool_core::serde_json::{Map, Value};

use super::wire::{Item, Response, Usage};
use crate::arguments::is_object;
use crate::chat::{self, AssistantMessage, Choice, Completion, ToolCall};
use crate::error::ModelError;
use crate::service_error::ServiceError;

/// Where a message keeps the items it was made of, so that they can be sent back.
pub(crate) const OUTPUT: &str = "responses_output";
/// Where a call says which of those items it was.
pub(crate) const ITEM: &str = "responses_item";

impl Response {
    /// The calls, in order, as chat completions write them: the id is the `call_id`. Those that
    /// were cut short are among them.
    pub fn tool_calls(&self) -> Vec<ToolCall> {
        self.output
            .iter()
            .enumerate()
            .filter_map(|(place, item)| numbered(item, place))
            .collect()
    }

    /// The text: that of all messages, with an empty line in between; empty if there is none.
    pub fn text(&self) -> String {
        self.output
            .iter()
            .map(Item::text)
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join("\n\n")
    }

    /// The refusal of the model, if any. Then there is nothing to run.
    pub fn refusal(&self) -> Option<String> {
        let refusal: String = self.output.iter().map(Item::refusal).collect();
        Some(refusal).filter(|refusal| !refusal.is_empty())
    }

    /// The same as a chat completion with one choice. Its message keeps the items under
    /// `responses_output` in `extra`; a [`Request`](super::Request) made of a conversation with
    /// that message sends them back.
    pub fn into_completion(mut self) -> Completion {
        let usage = self.usage.take().map(Usage::into_chat);
        let mut extra: Map<String, Value> = ["model", "service_tier"]
            .iter()
            .filter_map(|key| self.extra.remove_entry(*key))
            .collect();
        extra.insert("id".to_owned(), std::mem::take(&mut self.id).into());
        Completion {
            choices: vec![self.into_choice()],
            usage,
            extra,
        }
    }

    pub(super) fn into_choice(self) -> Choice {
        let finish_reason = Some(self.finish_reason().to_owned());
        let text = self.text();
        let (refusal, tool_calls) = (self.refusal(), self.tool_calls());
        let items = self
            .output
            .into_iter()
            .map(|Item(item)| Value::Object(item))
            .collect();
        let message = AssistantMessage {
            content: if text.is_empty() {
                Value::Null
            } else {
                text.into()
            },
            refusal,
            tool_calls,
            function_call: None,
            extra: Map::from_iter([(OUTPUT.to_owned(), Value::Array(items))]),
        };
        Choice {
            message,
            finish_reason,
            extra: Map::new(),
        }
    }

    /// With the terms of chat completions.
    fn finish_reason(&self) -> &'static str {
        let reason = self
            .incomplete_details
            .as_ref()
            .and_then(|details| details["reason"].as_str());
        let mut calls = self
            .output
            .iter()
            .filter(|item| item.tool_call().is_some())
            .peekable();
        match (self.status.as_deref(), reason) {
            (_, Some("content_filter")) => "content_filter",
            (Some("incomplete"), _) | (_, Some(_)) => "length",
            // An incomplete call must not run, whatever the status of the response.
            _ if calls.peek().is_some() => {
                if calls.all(Item::is_complete) {
                    "tool_calls"
                } else {
                    "length"
                }
            }
            _ => "stop",
        }
    }

    /// In a response that is completed, a call that is in progress is complete, if it is whole: some
    /// services never mark the call itself. `is_open` reports which positions never
    /// ended.
    pub(crate) fn complete_calls(&mut self, is_open: impl Fn(usize) -> bool) {
        if self.status.as_deref() != Some("completed") {
            return;
        }
        for (position, item) in self.output.iter_mut().enumerate() {
            let is_whole = item.tool_call().is_some_and(|call| {
                let arguments = &call.function.arguments;
                // A tool without parameters may get none.
                call.custom.is_some() || arguments.is_empty() || is_object(arguments)
            });
            if is_whole && (item.str("status") == "in_progress" || is_open(position)) {
                item.0.insert("status".to_owned(), "completed".into());
            }
        }
    }

    /// A response that the service did not finish is not an answer, however it arrived.
    pub(crate) fn check(mut self) -> Result<Self, ModelError> {
        self.complete_calls(|_| false);
        if let Some(error) = self.error.as_ref().and_then(ServiceError::of) {
            return Err(error.into());
        }
        match self.status.as_deref() {
            Some(status @ ("failed" | "cancelled" | "error")) => {
                let status_text = format!("the response has the status `{status}`");
                Err(ServiceError::of_event(&status_text).into())
            }
            Some(status @ ("queued" | "in_progress")) => Err(ModelError::invalid_response(
                format!("its status is `{status}`; ask without `background`"),
            )),
            _ => Ok(self),
        }
    }
}

impl From<Response> for Completion {
    /// As [`Response::into_completion`].
    fn from(response: Response) -> Self {
        response.into_completion()
    }
}

/// Whether a message has what is for the Responses API alone, or for none.
#[cfg(feature = "http")]
pub(crate) fn has_notes(message: &chat::Message) -> bool {
    match message {
        chat::Message::Assistant(message) => {
            let mut calls = message.tool_calls.iter();
            message.extra.contains_key(OUTPUT)
                || message.extra.contains_key(chat::wire::MODEL)
                || calls.any(|call| call.extra.contains_key(ITEM))
        }
        _ => false,
    }
}

/// Takes that out of a message.
#[cfg(any(feature = "async-openai", feature = "http", feature = "testing"))]
pub(crate) fn forget(message: &mut chat::Message) {
    if let chat::Message::Assistant(message) = message {
        message.extra.remove(OUTPUT);
        message.extra.remove(chat::wire::MODEL);
        message
            .tool_calls
            .iter_mut()
            .for_each(|call| drop(call.extra.remove(ITEM)));
    }
}

/// The `caller` of a call, if the service sends one: the output repeats it.
pub(super) fn caller<'m>(message: &'m AssistantMessage, call: &ToolCall) -> Option<&'m Value> {
    let place = usize::try_from(call.extra.get(ITEM)?.as_u64()?).ok()?;
    let item = message.extra.get(OUTPUT)?.get(place)?;
    item.get("caller").filter(|caller| !caller.is_null())
}

/// The call of the item at this place of the output, which it notes.
pub(super) fn numbered(item: &Item, place: usize) -> Option<ToolCall> {
    let mut call = item.tool_call()?;
    call.extra.insert(ITEM.to_owned(), place.into());
    Some(call)
}

impl Usage {
    fn into_chat(self) -> chat::Usage {
        let Self {
            input_tokens,
            output_tokens,
            total_tokens,
            mut extra,
        } = self;
        for (ours, theirs) in [
            ("input_tokens_details", "prompt_tokens_details"),
            ("output_tokens_details", "completion_tokens_details"),
        ] {
            if let Some(details) = extra.remove(ours) {
                extra.insert(theirs.to_owned(), details);
            }
        }
        chat::Usage {
            prompt_tokens: input_tokens,
            completion_tokens: output_tokens,
            total_tokens,
            extra,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::{from_value, json};

    fn response(value: Value) -> Response {
        from_value(value).unwrap()
    }

    #[test]
    fn an_answer_becomes_a_completion_that_keeps_its_items() {
        let items = json!([
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
             "content": [{"type": "output_text", "text": "Let me ", "annotations": []}, {"type": "output_text", "text": "see."}]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "add", "arguments": "{}", "status": "completed"},
        ]);
        let completion = response(json!({
            "id": "resp_1", "model": "gpt-5", "status": "completed", "output": items,
            "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "output_tokens_details": {"reasoning_tokens": 1}},
        }))
        .into_completion();
        let choice = &completion.choices[0];
        assert_eq!(choice.message.content, "Let me see.");
        assert_eq!(choice.message.tool_calls[0].id, "call_1");
        assert_eq!(choice.message.extra[OUTPUT], items);
        assert_eq!(choice.finish_reason.as_deref(), Some("tool_calls"));
        let usage = completion.usage.unwrap();
        assert_eq!(
            (
                usage.prompt_tokens,
                usage.completion_tokens,
                usage.total_tokens
            ),
            (1, 2, 3)
        );
        assert_eq!(
            usage.extra["completion_tokens_details"]["reasoning_tokens"],
            1
        );
    }

    #[test]
    fn a_refusal_is_a_refusal() {
        let answer = response(json!({"status": "completed", "output": [
            {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        ]}));
        let choice = answer.into_choice();
        assert_eq!(
            (choice.message.refusal.as_deref(), &choice.message.content),
            (Some("No."), &Value::Null)
        );
    }

    #[test]
    fn the_finish_reason_uses_the_terms_of_chat() {
        let call = |status: &str| json!([{"type": "function_call", "call_id": "1", "name": "n", "arguments": "{}", "status": status}]);
        for (answer, expected) in [
            (json!({"status": "completed", "output": []}), "stop"),
            (json!({"output": []}), "stop"),
            (
                json!({"status": "completed", "output": call("completed")}),
                "tool_calls",
            ),
            (
                json!({"status": "completed", "output": call("incomplete")}),
                "length",
            ),
            (
                json!({"status": "incomplete", "output": call("completed")}),
                "length",
            ),
            (
                json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []}),
                "length",
            ),
            (
                json!({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}, "output": []}),
                "content_filter",
            ),
        ] {
            assert_eq!(
                response(answer.clone())
                    .into_choice()
                    .finish_reason
                    .as_deref(),
                Some(expected),
                "{answer}"
            );
        }
    }

    #[test]
    fn calls_in_progress_in_a_completed_response_are_complete() {
        for (arguments, expected) in [
            (json!("{}"), "tool_calls"),
            (json!({"x": 1}), "tool_calls"),
            (json!(""), "tool_calls"),
            (json!("{\"x\":"), "length"),
        ] {
            let call = json!({"type": "function_call", "call_id": "a", "name": "n", "arguments": arguments, "status": "in_progress"});
            let whole = response(json!({"status": "completed", "output": [call]}));
            let choice = whole.check().unwrap().into_choice();
            assert_eq!(
                choice.finish_reason.as_deref(),
                Some(expected),
                "{arguments}"
            );
        }
    }

    #[test]
    fn a_response_that_failed_is_an_error() {
        let failed = json!({"status": "failed", "output": [], "error": {"code": "server_error", "message": "Sorry."}});
        let error = response(failed).check().unwrap_err();
        assert!(
            matches!(error, ModelError::StreamError { code: Some(code), message, .. } if code == "server_error" && message == "Sorry.")
        );
        for error in [
            json!({"error": {"message": "boom"}, "output": []}),
            json!({"status": "completed", "error": {"message": "boom"}, "output": []}),
            json!({"status": "error", "output": []}),
        ] {
            assert!(response(error.clone()).check().is_err(), "{error}");
        }
        assert!(
            response(json!({"status": "queued", "output": []}))
                .check()
                .is_err()
        );
        assert!(
            response(json!({"status": "incomplete", "output": []}))
                .check()
                .is_ok()
        );
    }
}
