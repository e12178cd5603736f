//! Approval of held calls (human-in-the-loop): the client's user is asked whether they may run.
//!
//! Clients of revision 2026-07-28 receive the question as the result of their call, and send the call
//! again with the answer and with our seal of what was asked: nothing is kept here. Clients before
//! that are asked while their call waits. Either way the client is trusted to ask its user, and the
//! policy is asked about every call that may run.

use rmcp::model::{
    ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema,
    ErrorData, InputRequest, InputRequests, InputRequiredResult, InputResponses,
};
use rmcp::model::{RequestStateCodec, SealOptions};
use rmcp::service::{Peer, RequestContext, RoleServer};
use std::collections::BTreeMap;
use std::time::Duration;
use tool_core::{ToolCall, ToolResult};

use crate::wire::STATELESS;

/// The one question of a call.
const QUESTION: &str = "approval";

/// How long a user may take to answer.
pub(super) const APPROVAL_TIME: Duration = Duration::from_secs(30 * 60);

/// How a client can ask its user.
pub(super) enum Ability {
    /// With the result of the call.
    Stateless,
    /// By a request of ours, while the call waits.
    Asked,
    None,
}

pub(super) fn ability(context: &RequestContext<RoleServer>) -> Ability {
    let elicitation = context
        .client_capabilities()
        .and_then(|can| can.elicitation);
    // A client that names no form of it means forms.
    let forms = elicitation.is_some_and(|can| can.form.is_some() || can.url.is_none());
    let version = context.protocol_version();
    match version.is_some_and(|version| version.as_str() >= STATELESS.as_str()) {
        _ if !forms => Ability::None,
        true => Ability::Stateless,
        false => Ability::Asked,
    }
}

/// The answer of the user.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    Approved,
    Declined,
    Dismissed,
    /// The client did not ask, or not in time.
    Failed,
    /// The client cannot ask.
    Impossible,
}

impl Answer {
    /// What the model reads, if the call is not to run.
    pub(super) fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Approved => None,
            Self::Declined => Some("not allowed: the user declined this call"),
            Self::Dismissed => Some("not allowed: the user did not decide on this call"),
            Self::Failed => {
                Some("not allowed: it needs the user's approval, and asking for it failed")
            }
            Self::Impossible => Some(
                "not allowed: it needs the user's approval, and this client cannot ask for it (it offers no elicitation)",
            ),
        }
    }
}

impl From<ElicitationAction> for Answer {
    fn from(action: ElicitationAction) -> Self {
        match action {
            ElicitationAction::Accept => Self::Approved,
            ElicitationAction::Decline => Self::Declined,
            _ => Self::Dismissed,
        }
    }
}

/// The answer that a client sends with its call; `None` if there is none that can be read.
pub(super) fn answer(responses: Option<&InputResponses>) -> Option<Answer> {
    let response = responses?.get(QUESTION)?.clone();
    let response: ElicitResult = serde_json::from_value(response).ok()?;
    Some(response.action.into())
}

/// The question as the result of the call.
pub(super) fn question(held: &ToolResult, state: String) -> InputRequiredResult {
    let request = InputRequest::Elicitation(ElicitRequest::new(form(held)));
    let requests = InputRequests::from([(QUESTION.to_owned(), request)]);
    InputRequiredResult::new(Some(requests), Some(state))
}

/// Asks while the call waits.
pub(super) async fn ask(peer: &Peer<RoleServer>, held: &ToolResult) -> Answer {
    let asking = peer.create_elicitation_with_timeout(form(held), Some(APPROVAL_TIME));
    match asking.await {
        Ok(result) => result.action.into(),
        Err(_) => Answer::Failed,
    }
}

/// A form without fields: to accept it is the answer.
fn form(held: &ToolResult) -> ElicitRequestParams {
    const MOST: usize = 2000; // characters that people may read
    let arguments = &held.call().arguments;
    let shown: String = arguments.chars().take(MOST).collect();
    let more = if shown.len() < arguments.len() {
        "…"
    } else {
        ""
    };
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: format!("May the tool `{}` run with {shown}{more}?", held.name()),
        requested_schema: ElicitationSchema::new(BTreeMap::new()),
    }
}

/// Seals what is asked, so that what is approved is just that.
#[derive(Clone)]
pub(super) struct Seal(RequestStateCodec);

/// The key is too short to seal anything with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the approval key has {length} bytes; it needs at least 32 random ones")]
pub struct WeakKeyError {
    length: usize,
}

impl Seal {
    pub(super) fn new(key: Vec<u8>) -> Result<Self, WeakKeyError> {
        let length = key.len();
        match RequestStateCodec::try_new(key) {
            Ok(codec) => Ok(Self(codec)),
            Err(_) => Err(WeakKeyError { length }),
        }
    }

    /// With a key that is lost with the process.
    pub(super) fn random() -> Self {
        let mut key = [0; 32];
        #[expect(
            clippy::expect_used,
            reason = "a system without random numbers cannot run this; no request reaches it"
        )]
        getrandom::fill(&mut key).expect("the system has random numbers");
        Self(RequestStateCodec::new_unchecked(key))
    }

    /// Proves that the user was asked about this call.
    pub(super) fn close(&self, call: &ToolCall) -> String {
        let about = about(call);
        let options = SealOptions::new()
            .associated_data(&about)
            .ttl(APPROVAL_TIME);
        self.0.seal_with(&[], &options)
    }

    /// # Errors
    /// It was not, or not by a server with this key, or too long ago.
    pub(super) fn open(&self, sealed: &str, call: &ToolCall) -> Result<(), ErrorData> {
        let opened = self.0.open_with(sealed, &about(call)).map(drop);
        opened.map_err(|error| {
            let message = format!("requestState does not belong to this call: {error}");
            ErrorData::invalid_params(message, None)
        })
    }
}

/// What a question is about.
fn about(call: &ToolCall) -> Vec<u8> {
    // The separator byte cannot be in a name.
    [call.name.as_bytes(), &[0xff], call.arguments.as_bytes()].concat()
}
