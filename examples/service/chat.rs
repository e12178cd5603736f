//! The requests: a chat, and a decision on a call that waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tool_core::{CancellationToken, Decision, Dispatcher};
use tool_openai::{Agent, AgentError, AgentEvent, AgentStream, Conversation, Outcome, Reply};
use uuid::Uuid;

use crate::store::{Held, Kept, Store};
use crate::tools::{ActivityLog, Session};

/// What all requests share.
#[derive(Clone)]
pub(crate) struct Service {
    agent: Agent,
    dispatcher: Dispatcher<Session>,
    store: Store,
    /// Cancels all runs.
    shutdown: CancellationToken,
    /// Conversations that a request is in.
    open: Arc<Mutex<HashMap<Uuid, Conversation>>>,
}

impl Service {
    pub(crate) fn new(agent: Agent, dispatcher: Dispatcher<Session>, store: Store) -> Self {
        Self {
            agent,
            dispatcher,
            store,
            shutdown: CancellationToken::new(),
            open: Arc::default(),
        }
    }

    /// Ends every active run: each request is answered with an error.
    pub(crate) fn cancel(&self) {
        self.shutdown.cancel();
    }

    /// Until no tool runs.
    pub(crate) async fn idle(&self) {
        self.dispatcher.idle().await;
    }

    /// The agent with the state of this request: a clone that shares all limits.
    fn agent_of(&self, user: &str) -> Agent {
        let session = Session {
            user: user.to_owned(),
            activity: ActivityLog(self.store.path("activity.txt")),
        };
        let dispatcher = self.dispatcher.with_state(session);
        let agent = self.agent.clone().with_tools(dispatcher);
        agent.with_cancellation(self.shutdown.clone())
    }

    /// The conversation, as it is in memory or was stored.
    fn conversation(&self, id: Uuid, user: &str) -> Result<Conversation, Refusal> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.contains_key(&id) {
            return Err(Refusal(
                StatusCode::CONFLICT,
                "this chat has a request that is not over",
            ));
        }
        let history = match self.store.conversation(id)? {
            Some(kept) if kept.user == user => kept.history,
            Some(_) => return Err(Refusal(StatusCode::NOT_FOUND, "there is no such chat")),
            None => Default::default(),
        };
        let conversation = self.agent_of(user).conversation_from(history);
        open.insert(id, conversation.clone());
        Ok(conversation)
    }
}

/// Keeps the conversation when its request is over, however that ends.
struct InChat {
    service: Service,
    id: Uuid,
    user: String,
    conversation: Conversation,
}

impl Drop for InChat {
    fn drop(&mut self) {
        let kept = Kept {
            user: std::mem::take(&mut self.user),
            history: self.conversation.history(),
        };
        if let Err(error) = self.service.store.keep_conversation(self.id, &kept) {
            eprintln!("conversation {} was not kept: {error:#}", self.id);
        }
        let open = self.service.open.lock();
        open.unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}

/// Why a request is not answered with a stream.
struct Refusal(StatusCode, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        eprintln!("the store failed: {error:#}");
        Self(StatusCode::INTERNAL_SERVER_ERROR, "the store failed")
    }
}

pub(crate) fn router(service: Service) -> Router {
    Router::new()
        .route("/chat", post(chat))
        .route("/approvals/{chat}/{approval}", post(decide))
        .with_state(service)
}

/// Who is logged in. A real service checks a session here.
fn user(headers: &HeaderMap) -> Result<String, Refusal> {
    let user = headers.get("x-user").and_then(|user| user.to_str().ok());
    let user = user.filter(|user| !user.is_empty());
    user.map(str::to_owned)
        .ok_or(Refusal(StatusCode::UNAUTHORIZED, "send `x-user`"))
}

#[derive(Deserialize)]
struct Question {
    /// The chat to continue with; a new one, if there is none.
    chat: Option<Uuid>,
    message: String,
}

async fn chat(
    State(service): State<Service>,
    headers: HeaderMap,
    Json(question): Json<Question>,
) -> Result<Response, Refusal> {
    let user = user(&headers)?;
    let id = question.chat.unwrap_or_else(Uuid::new_v4);
    if service.store.held(id)?.is_some() {
        return Err(Refusal(
            StatusCode::CONFLICT,
            "a call of this chat waits for a decision",
        ));
    }
    let conversation = service.conversation(id, &user)?;
    let stream = conversation.stream(question.message);
    Ok(respond(
        stream,
        InChat {
            service,
            id,
            user,
            conversation,
        },
    ))
}

#[derive(Deserialize)]
struct Decided {
    approve: bool,
    /// What the model reads of a refusal.
    reason: Option<String>,
}

async fn decide(
    State(service): State<Service>,
    Path((chat, approval)): Path<(Uuid, Uuid)>,
    headers: HeaderMap,
    Json(decided): Json<Decided>,
) -> Result<Response, Refusal> {
    let user = user(&headers)?;
    let unknown = Refusal(StatusCode::NOT_FOUND, "nothing waits under this id");
    let held = service.store.held(chat)?;
    let held = held.filter(|held| held.user == user && held.approval == approval);
    let Some(held) = held else {
        return Err(unknown);
    };
    let conversation = service.conversation(chat, &user)?;
    let in_chat = InChat {
        id: chat,
        user,
        conversation,
        service,
    };
    if !in_chat
        .service
        .store
        .take(chat)
        .map_err(anyhow::Error::from)?
    {
        return Err(unknown);
    }
    let decision = match decided.approve {
        true => Decision::Allow,
        false => Decision::Deny(
            decided
                .reason
                .unwrap_or_else(|| "the user did not approve it".to_owned()),
        ),
    };
    let waiting = held.run.held().map(|call| call.position());
    let decisions = waiting
        .map(|position| (position, decision.clone()))
        .collect();
    let stream = in_chat.conversation.resume_stream_with(held.run, decisions);
    Ok(respond(stream, in_chat))
}

/// Server-sent events. The stream is the body: if the client disconnects, it is dropped, and the
/// tools with it.
fn respond(events: AgentStream, in_chat: InChat) -> Response {
    let first = json!({"type": "chat", "data": in_chat.id});
    // Dropped behind the stream: the history is whole by then.
    let shown = events.map(move |event| for_browser(event, &in_chat));
    let shown = stream::iter([Some(first)])
        .chain(shown)
        .filter_map(async |event| event);
    Sse::new(sent(shown))
        .keep_alive(KeepAlive::default())
        .into_response()
}

fn sent(events: impl Stream<Item = Value>) -> impl Stream<Item = Result<Event, axum::Error>> {
    events.map(|event| Event::default().json_data(event))
}

/// What the page shows: no arguments and outputs but those of calls that wait.
fn for_browser(event: Result<AgentEvent, AgentError>, in_chat: &InChat) -> Option<Value> {
    match event {
        Ok(AgentEvent::Text(text)) => Some(json!({"type": "text", "data": text})),
        Ok(AgentEvent::ToolCallReady { call, .. }) => {
            Some(json!({"type": "call", "data": call.name}))
        }
        Ok(AgentEvent::Result(result)) => {
            let data = json!({"tool": result.name(), "ok": result.outcome().is_ok()});
            Some(json!({"type": "result", "data": data}))
        }
        Ok(AgentEvent::Reply(reply)) => Some(ended(reply, in_chat)),
        Ok(_) => None,
        Err(error) => {
            eprintln!("chat {}: {error}", in_chat.id);
            Some(json!({"type": "error", "data": "There is no answer. Please try again."}))
        }
    }
}

fn ended(reply: Reply, in_chat: &InChat) -> Value {
    let Outcome::Suspended(run) = reply.outcome else {
        return json!({"type": "done"});
    };
    let calls = run
        .held()
        .map(|held| json!({"tool": held.name(), "arguments": held.call().arguments}));
    let (approval, calls) = (Uuid::new_v4(), calls.collect::<Vec<_>>());
    let held = Held {
        user: in_chat.user.clone(),
        approval,
        run: *run,
    };
    match in_chat.service.store.hold(in_chat.id, &held) {
        Ok(()) => json!({"type": "held", "data": {"approval": approval, "calls": calls}}),
        Err(error) => {
            eprintln!("approval {approval} was not kept: {error:#}");
            json!({"type": "error", "data": "The approval cannot be kept. Nothing was done."})
        }
    }
}
