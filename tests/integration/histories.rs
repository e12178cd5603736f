//! One conversation at many services: each takes what the others wrote, and what it wrote itself.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use proptest::prelude::*;
use serde_json::{Value, json};
use tool_core::{Dispatcher, tool, tools};
use tool_openai::chat::Message;
use tool_openai::{Agent, AgentError, AgentEvent, OpenAi, Profile};

use super::responses::serve;

/// Look something up.
#[tool(read_only)]
fn look_up(what: &str) -> String {
    what.to_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Service {
    OpenAi,
    Mistral,
    Groq,
    Kimi,
    Gemini,
    OpenRouter,
    /// Anthropic's rules behind the format of OpenAI.
    Anthropic,
    Responses,
}

const SERVICES: [Service; 8] = [
    Service::OpenAi,
    Service::Mistral,
    Service::Groq,
    Service::Kimi,
    Service::Gemini,
    Service::OpenRouter,
    Service::Anthropic,
    Service::Responses,
];

impl Service {
    /// What the service is known to take.
    fn profile(self) -> Profile {
        match self {
            Self::OpenAi | Self::Responses => Profile::openai(),
            Self::Mistral => Profile::mistral(),
            Self::Groq => Profile::portable().with_returned_keys(&[]),
            Self::Kimi => Profile::portable().with_returned_keys(&["reasoning_content"]),
            Self::Gemini => Profile::gemini(),
            Self::OpenRouter => Profile::portable().with_returned_keys(&["reasoning_details"]),
            Self::Anthropic => Profile::portable().with_short_ids().with_returned_keys(&[]),
        }
    }

    /// The thoughts of one message: keys of the message, or of each of its calls.
    fn thoughts(self, number: usize) -> (Value, Value) {
        match self {
            Self::Groq => (
                json!({"reasoning": "hm", "reasoning_content": "hm"}),
                json!({}),
            ),
            Self::Kimi => (
                json!({"reasoning_content": format!("thought {number}")}),
                json!({}),
            ),
            Self::Gemini => (
                json!({}),
                json!({"extra_content": {"google": {"thought_signature": format!("signature {number}")}}}),
            ),
            Self::OpenRouter => (
                json!({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.encrypted", "data": format!("secret {number}"), "index": 0}]}),
                json!({}),
            ),
            _ => (json!({}), json!({})),
        }
    }

    fn id(self, number: usize) -> String {
        match self {
            Self::Mistral => format!("{number:09}"),
            Self::Kimi => format!("functions.look_up:{number}"),
            // With more in it than a name.
            Self::Gemini | Self::OpenRouter => format!("call_{number}_{}", "x".repeat(60)),
            _ => format!("call_{number}"),
        }
    }
}

/// What one service has written and is asked.
#[derive(Default)]
struct Memory {
    answers: VecDeque<Value>,
    /// The thoughts of each call that it wrote.
    thoughts: HashMap<String, Value>,
    refusals: Vec<String>,
}

/// A service that refuses what it does not take, in its own words.
struct Mock {
    service: Service,
    base_url: String,
    memory: Arc<Mutex<Memory>>,
}

impl Mock {
    async fn start(service: Service) -> Self {
        let memory = Arc::new(Mutex::new(Memory::default()));
        let shared = Arc::clone(&memory);
        let respond = move |body: String| {
            let request: Value = serde_json::from_str(&body).unwrap();
            let mut memory = shared.lock().unwrap();
            let (status, answer) = match check(service, &request, &memory.thoughts) {
                Ok(()) => (StatusCode::OK, memory.answers.pop_front().unwrap()),
                Err(message) => {
                    memory.refusals.push(message.clone());
                    (
                        StatusCode::BAD_REQUEST,
                        json!({"error": {"message": message}}),
                    )
                }
            };
            async move {
                (
                    status,
                    [(CONTENT_TYPE, "application/json")],
                    answer.to_string(),
                )
                    .into_response()
            }
        };
        let app = Router::new()
            .route("/v1/chat/completions", post(respond.clone()))
            .route("/v1/responses", post(respond));
        let base_url = serve(app).await;
        Self {
            service,
            base_url,
            memory,
        }
    }

    fn agent(&self, model: &str, knows_service: bool) -> Agent {
        let client = OpenAi::at(&self.base_url).unwrap();
        let agent = match self.service {
            Service::Responses => Agent::new(client.into_responses(), model),
            _ => Agent::new(client, model),
        };
        match knows_service {
            true => agent.with_profile(self.service.profile()),
            false => agent,
        }
    }

    /// Adds an answer with so many calls to the script.
    fn write(&self, calls: usize, content: &str, number: &mut usize) {
        let mut memory = self.memory.lock().unwrap();
        let answer = match self.service {
            Service::Responses => respond(calls, content, number),
            service => complete(service, calls, content, number, &mut memory.thoughts),
        };
        memory.answers.push_back(answer);
    }
}

fn complete(
    service: Service,
    calls: usize,
    content: &str,
    number: &mut usize,
    thoughts: &mut HashMap<String, Value>,
) -> Value {
    *number += 1;
    let (of_message, of_calls) = service.thoughts(*number);
    let calls: Vec<Value> = (0..calls)
        .map(|_| {
            *number += 1;
            let id = service.id(*number);
            let mut call = json!({"id": id, "type": "function", "function": {"name": "look_up", "arguments": "{\"what\":\"\"}"}});
            extend(&mut call, &of_calls);
            let mut both = of_message.clone();
            extend(&mut both, &of_calls);
            thoughts.insert(id, both);
            call
        })
        .collect();
    let mut message = json!({"role": "assistant", "content": content});
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    extend(&mut message, &of_message);
    json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
}

fn extend(value: &mut Value, more: &Value) {
    let more = more.as_object().unwrap().clone();
    value.as_object_mut().unwrap().extend(more);
}

fn respond(calls: usize, content: &str, number: &mut usize) -> Value {
    *number += 1;
    let mut output = vec![
        json!({"type": "reasoning", "id": format!("rs_{number}"), "summary": [], "encrypted_content": format!("of the first {number}")}),
    ];
    for _ in 0..calls {
        *number += 1;
        output.push(json!({"type": "function_call", "id": "x".repeat(100), "call_id": format!("call_{number}"), "name": "look_up",
            "arguments": "{\"what\":\"\"}", "status": "completed"}));
    }
    if calls == 0 {
        output.push(json!({"type": "message", "id": format!("msg_{number}"), "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": content}]}));
    }
    json!({"status": "completed", "output": output})
}

/// Whether the service takes the request.
fn check(
    service: Service,
    request: &Value,
    written: &HashMap<String, Value>,
) -> Result<(), String> {
    let empty = Vec::new();
    if service == Service::Responses {
        return check_input(request["input"].as_array().unwrap());
    }
    let messages = request["messages"].as_array().unwrap_or(&empty);
    for (at, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap();
        let before = at.checked_sub(1).map(|at| &messages[at]["role"]);
        if service == Service::Mistral && role == "user" && before == Some(&json!("tool")) {
            return Err("Unexpected role 'user' after role 'tool'".to_owned());
        }
        let is_blank = message["content"]
            .as_str()
            .is_some_and(|text| text.trim().is_empty());
        if service == Service::Anthropic && is_blank {
            return Err("messages: text content blocks must be non-empty".to_owned());
        }
        let known: &[&str] = match service {
            Service::Kimi => &["reasoning_content"],
            Service::OpenRouter => &["reasoning", "reasoning_content", "reasoning_details"],
            _ => &[],
        };
        let known = [
            &["role", "content", "name", "tool_calls", "tool_call_id"],
            known,
        ]
        .concat();
        unknown(service, &format!("messages[{at}]"), message, &known)?;
        let calls = message["tool_calls"].as_array().unwrap_or(&empty);
        for (number, call) in calls.iter().enumerate() {
            let path = format!("messages[{at}].tool_calls[{number}]");
            let known: &[&str] = match service {
                Service::Gemini => &["id", "type", "function", "extra_content"],
                _ => &["id", "type", "function"],
            };
            unknown(service, &path, call, known)?;
            let id = call["id"].as_str().unwrap();
            check_id(service, &path, id)?;
            check_thoughts(service, message, call, written.get(id))?;
        }
        for call in calls {
            let answers = messages[at..].iter().skip(1).take(calls.len());
            if !answers
                .into_iter()
                .any(|answer| answer["tool_call_id"] == call["id"])
            {
                return Err(format!("no result of {}", call["id"]));
            }
        }
        let answers = message["tool_call_id"].as_str();
        let asked = messages[..at]
            .iter()
            .rev()
            .find(|asked| asked["role"] == "assistant");
        if answers.is_some_and(|id| {
            !asked.unwrap()["tool_calls"]
                .as_array()
                .unwrap()
                .iter()
                .any(|call| call["id"] == id)
        }) {
            return Err("a result of no call".to_owned());
        }
    }
    Ok(())
}

fn unknown(service: Service, path: &str, value: &Value, known: &[&str]) -> Result<(), String> {
    let mut keys = value.as_object().unwrap().keys();
    match keys.find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(match service {
            Service::OpenAi => format!("Unknown parameter: '{path}.{key}'."),
            Service::Groq => format!("'{path}' : property '{key}' is unsupported"),
            Service::Gemini => {
                format!("Invalid JSON payload received. Unknown name \"{key}\": Cannot find field.")
            }
            _ => format!("{path}.{key}: Extra inputs are not permitted"),
        }),
    }
}

fn check_id(service: Service, path: &str, id: &str) -> Result<(), String> {
    let is_plain = |extra: &str| {
        id.chars()
            .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
    };
    match service {
        Service::OpenAi if id.len() > 40 => Err(format!(
            "Invalid '{path}.id': string too long. Expected a string with maximum length 40, but got a string with length {} instead.",
            id.len()
        )),
        Service::Mistral if id.len() != 9 || !is_plain("") => Err(format!(
            "Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9."
        )),
        Service::Anthropic if !is_plain("_-") => Err(
            "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// What the service wrote must come back as it was, and secrets of others mean nothing to it.
fn check_thoughts(
    service: Service,
    message: &Value,
    call: &Value,
    own: Option<&Value>,
) -> Result<(), String> {
    let (key, sent) = match service {
        Service::Kimi => ("reasoning_content", &message["reasoning_content"]),
        Service::Gemini => ("extra_content", &call["extra_content"]),
        Service::OpenRouter => ("reasoning_details", &message["reasoning_details"]),
        _ => return Ok(()),
    };
    match own {
        Some(own) if own[key] != *sent => Err(format!(
            "{key} is missing in an assistant message with calls"
        )),
        None if service != Service::Kimi && !sent.is_null() => {
            Err("Thought signature is not valid.".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_input(items: &[Value]) -> Result<(), String> {
    for (at, item) in items.iter().enumerate() {
        let id = item["id"].as_str().unwrap_or_default();
        if id.len() > 64 {
            return Err(format!(
                "Invalid 'input[{at}].id': string too long. Expected a string with maximum length 64."
            ));
        }
        if item["call_id"].as_str().is_some_and(|id| id.len() > 64) {
            return Err(format!("Invalid 'input[{at}].call_id': string too long."));
        }
        let next = items
            .get(at + 1)
            .map_or("", |next| next["type"].as_str().unwrap());
        if item["type"] == "reasoning" && !["function_call", "message", "reasoning"].contains(&next)
        {
            return Err(format!(
                "Item '{id}' of type 'reasoning' was provided without its required following item."
            ));
        }
        let answered = |kind: &str| {
            items
                .iter()
                .any(|other| other["type"] == kind && other["call_id"] == item["call_id"])
        };
        if item["type"] == "function_call" && !answered("function_call_output") {
            return Err("No tool output found.".to_owned());
        }
    }
    Ok(())
}

/// One run: at which service, with how many calls in each turn, the text beside them, and
/// whether it is stopped after the first turn.
type Run = (Service, Vec<usize>, &'static str, bool);

fn runs() -> impl Strategy<Value = Vec<Run>> {
    let run = (
        prop::sample::select(SERVICES.to_vec()),
        prop::collection::vec(1..3_usize, 0..3),
        prop::sample::select(vec!["", "\n\n", "Let me see."]),
        any::<bool>(),
    );
    prop::collection::vec(run, 1..6)
}

/// Runs them one after the other in one conversation. The refusals of all services.
async fn converse(
    runs: &[Run],
    knows_services: bool,
    one_name: bool,
) -> Result<Vec<String>, String> {
    let mut mocks = HashMap::new();
    for service in SERVICES {
        mocks.insert(service, Mock::start(service).await);
    }
    let (mut messages, mut number) = (Vec::<Message>::new(), 0);
    for (service, turns, content, is_stopped) in runs {
        let mock = &mocks[service];
        for calls in turns {
            mock.write(*calls, content, &mut number);
        }
        mock.write(0, "Done.", &mut number);
        let name = if one_name {
            "m".to_owned()
        } else {
            format!("{service:?}")
        };
        let repairs = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&repairs);
        let agent = mock
            .agent(&name, knows_services)
            .with_tools(Dispatcher::new(tools![look_up]))
            .with_max_turns(if *is_stopped { 1 } else { 10 })
            .with_on_event(move |event| {
                if let AgentEvent::RequestRepaired(more) = event {
                    seen.lock().unwrap().extend(more.iter().cloned());
                }
            })
            .conversation_from(messages);
        match agent.run("Continue.").await {
            Ok(_) | Err(AgentError::TurnLimit { .. }) => {}
            Err(error) => {
                let sent = serde_json::to_string(&agent.messages()).unwrap();
                let refusals = &mock.memory.lock().unwrap().refusals;
                return Err(format!("{service:?}: {error:?} after {refusals:?}: {sent}"));
            }
        }
        messages = agent.messages().to_vec();
        let mut memory = mock.memory.lock().unwrap();
        memory.answers.clear();
        if !memory.refusals.is_empty() && repairs.lock().unwrap().is_empty() {
            return Err(format!("nothing reports {:?}", memory.refusals));
        }
        if knows_services && !one_name && !memory.refusals.is_empty() {
            return Ok(memory.refusals.clone());
        }
        memory.refusals.clear();
    }
    Ok(Vec::new())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_service_takes_a_history_that_others_wrote(runs in runs(), knows_services in any::<bool>(), one_name in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let refusals = runtime.block_on(converse(&runs, knows_services, one_name));
        // One that is known to the program refuses nothing.
        prop_assert_eq!(refusals, Ok(Vec::new()));
    }
}
