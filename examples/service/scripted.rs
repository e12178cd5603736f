//! The mock model, used without a key: it does what the last words of the user say.

use serde_json::json;
use tool_openai::chat::{Message, Request};
use tool_openai::testing::{MockModel, ScriptedReply};

pub(crate) fn model() -> MockModel {
    MockModel::with_script(respond)
}

fn respond(request: &Request) -> ScriptedReply {
    match request.messages.last() {
        Some(Message::Tool(result)) => {
            ScriptedReply::text(format!("Here it is: {}", result.text()))
        }
        Some(Message::User(user)) => {
            let text = user.text();
            match (text.strip_prefix("find "), text.strip_prefix("book ")) {
                (Some(ward), _) => ScriptedReply::calls([("find_slots", json!({"ward": ward}))]),
                (_, Some(slot)) => ScriptedReply::calls([("book_slot", json!({"slot": slot}))]),
                _ => ScriptedReply::text(format!(
                    "This conversation has {} messages.",
                    request.messages.len()
                )),
            }
        }
        _ => ScriptedReply::text("Yes?"),
    }
}
