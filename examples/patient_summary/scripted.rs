//! The mock model, used without a key: a script that calls the four tools and writes its summary
//! from their results.

use std::env;

use serde_json::{Value, json};
use tool_openai::OpenAi;
use tool_openai::chat::{Message, Request};
use tool_openai::testing::{ScriptedReply, ScriptedServer};

/// The model that the environment names; without one, this script, over the same HTTP.
pub(crate) async fn model() -> anyhow::Result<(OpenAi, Option<ScriptedServer>)> {
    let has_service = ["OPENAI_API_KEY", "OPENAI_BASE_URL"]
        .iter()
        .any(|name| env::var(name).is_ok_and(|value| !value.trim().is_empty()));
    if has_service {
        return Ok((OpenAi::from_env()?, None));
    }
    let script = ScriptedServer::start_with(respond).await?;
    Ok((script.client()?, Some(script)))
}

/// The next answer: calls for a patient named by the user, then a summary of the results.
pub(crate) fn respond(request: &Request) -> ScriptedReply {
    if let Some(results) = results_of_last_turn(&request.messages) {
        return ScriptedReply::text(summary(&results));
    }
    match request.messages.iter().rev().find_map(patient_named_by) {
        None => {
            ScriptedReply::text("Which patient do you mean? Please give an id of the form P-NNNNN.")
        }
        Some(patient_id) => ScriptedReply::calls(request.tools.iter().map(|tool| {
            (
                tool.function.name.as_str(),
                json!({"patient_id": patient_id}),
            )
        })),
    }
}

fn patient_named_by(message: &Message) -> Option<String> {
    let Message::User(user) = message else {
        return None;
    };
    let text = user.text();
    let start = text.find("P-")?;
    let digits: String = text[start + 2..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    (!digits.is_empty()).then(|| format!("P-{digits}"))
}

/// The tool messages behind the last assistant message, in order, each with the name of its tool.
fn results_of_last_turn(messages: &[Message]) -> Option<Vec<(String, String)>> {
    let asked = messages
        .iter()
        .rposition(|message| matches!(message, Message::Assistant(_)))?;
    let Message::Assistant(assistant) = &messages[asked] else {
        return None;
    };
    let results = messages[asked + 1..].iter().map(|message| match message {
        Message::Tool(tool) => {
            let call = assistant
                .tool_calls
                .iter()
                .find(|call| call.id == tool.tool_call_id)?;
            Some((call.function.name.clone(), tool.text()))
        }
        _ => None,
    });
    results
        .collect::<Option<Vec<_>>>()
        .filter(|results| !results.is_empty())
}

fn summary(results: &[(String, String)]) -> String {
    let sections = results.iter().map(|(tool, content)| {
        let value: Value = serde_json::from_str(content).unwrap_or_default();
        match (value.get("error").and_then(Value::as_str), tool.as_str()) {
            (Some(error), _) => format!("{}: not available ({error})", title(tool)),
            (None, "get_patient_demographics") => demographics(&value),
            (None, _) => list(title(tool), &value),
        }
    });
    sections.collect::<Vec<_>>().join("\n\n")
}

fn title(tool: &str) -> &'static str {
    match tool {
        "get_patient_demographics" => "Patient",
        "get_patient_medications" => "Current medications",
        "get_patient_allergies" => "Allergies",
        "get_recent_lab_results" => "Recent lab results",
        _ => "Other",
    }
}

fn demographics(patient: &Value) -> String {
    let text = |key: &str| patient[key].as_str().unwrap_or("not recorded");
    format!(
        "{} ({}), born {}. Phone: {}. E-mail: {}.",
        text("name"),
        text("patient_id"),
        text("date_of_birth"),
        text("phone"),
        text("email")
    )
}

/// Every list in the answer, a line an entry, the entry's values in the order they came.
fn list(title: &str, answer: &Value) -> String {
    let entries: Vec<&Value> = answer
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, value)| value.as_array())
        .flatten()
        .collect();
    if entries.is_empty() {
        return format!("{title}: none documented");
    }
    let line = |entry: &&Value| {
        let values: Vec<&str> = entry
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, value)| value.as_str())
            .collect();
        format!("\n- {}", values.join(", "))
    };
    format!("{title}:{}", entries.iter().map(line).collect::<String>())
}
