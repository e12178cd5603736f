//! A run that waits for the approval of calls.

use std::collections::BTreeSet;
use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};
use tool_core::serde_json::{Map, Value};
use tool_core::{HeldFor, ToolResult};

use super::History;
use super::message::ReceivedMessage;
use super::run::Repeated;
use crate::chat::{AssistantMessage, ParsedMessage, Usage};
use crate::version::Version;

/// A suspended run, which waits for human approval of calls, because a policy decided
/// [`Decision::Hold`](tool_core::Decision::Hold). [`Agent::resume`](crate::Agent::resume) continues
/// it: here, or in another process that has the same tools.
///
/// Shape: serialised as an object with `version` (1), the `history` before the message, the
/// `message`, the `results` of its calls so far, the `turns` and the `usage` of the run, and a
/// `fingerprint` of the calls. Unknown fields are kept; a later version is refused.
///
/// Its content is run. Store it where the user of the model cannot change it, or with a signature
/// (an HMAC of the text, by a key that only the program has) that is checked before it is read: the
/// fingerprint finds a mistake, not an attack. Resume it once: take it out of the store in the
/// transaction in which the outcome is put there. Of two attempts the calls have the same
/// idempotency keys.
#[derive(Debug, Serialize, Deserialize)]
pub struct Suspended {
    version: Version,
    history: History,
    message: AssistantMessage,
    results: Vec<ToolResult>,
    turns: usize,
    #[serde(default)]
    usage: Usage,
    fingerprint: String,
    /// What the loop guard has counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repeated: Option<Repeated>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Suspended {
    pub(super) fn new(
        history: History,
        received: ReceivedMessage,
        results: Vec<ToolResult>,
        turns: usize,
        usage: Usage,
    ) -> Self {
        let (message, results) = received.into_parts(results);
        let fingerprint = fingerprint(&message, &results);
        Self {
            version: Version,
            history,
            message,
            results,
            turns,
            usage,
            fingerprint,
            repeated: None,
            unknown: Map::new(),
        }
    }

    pub(super) fn with_repeated(self, repeated: Option<Repeated>) -> Self {
        Self { repeated, ..self }
    }

    pub(super) fn repeated(&self) -> Option<&Repeated> {
        self.repeated.as_ref()
    }

    /// The results of the message's calls, in call order, held ones among them.
    pub fn results(&self) -> &[ToolResult] {
        &self.results
    }

    /// The calls to be decided on: decisions name them by their
    /// [`position`](ToolResult::position).
    pub fn held(&self) -> impl Iterator<Item = &ToolResult> {
        let waits = |result: &&ToolResult| result.held_for() == Some(HeldFor::Decision);
        self.results.iter().filter(waits)
    }

    /// The conversation before the message.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// How often the run has asked the model.
    pub fn turns(&self) -> usize {
        self.turns
    }

    /// Answers calls that are held with results from elsewhere, by their
    /// [`position`](ToolResult::position): for a program that runs calls itself. It lets a policy hold
    /// them all, and resumes the run without decisions when they are answered.
    ///
    /// A result of another call, and one of a call that is not held, changes nothing.
    ///
    /// ```
    /// use tool_core::{Decision, Dispatcher, tool, tools};
    /// # use tool_core::serde_json::json;
    /// use tool_openai::testing::{ScriptedReply, ScriptedServer};
    /// use tool_openai::{Agent, Outcome};
    ///
    /// /// Add two numbers.
    /// #[tool(read_only)]
    /// fn add(a: i64, b: i64) -> i64 {
    ///     a + b
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let call = ScriptedReply::calls([("add", json!({"a": 40, "b": 2}))]);
    /// # let server = ScriptedServer::start([call, ScriptedReply::text("It is 42.")]).await?;
    /// let tools = Dispatcher::new(tools![add]);
    /// let holding = tools.clone().with_policy(|_| Decision::Hold);
    /// let agent = Agent::new(server.client()?, "scripted").with_tools(holding);
    ///
    /// let mut reply = agent.run("What is 40 + 2?").await?;
    /// if let Outcome::Suspended(suspended) = reply.outcome {
    ///     let held = suspended.results().iter().filter(|result| result.held_for().is_some());
    ///     let (positions, calls): (Vec<usize>, Vec<_>) =
    ///         held.map(|result| (result.position(), result.call().clone())).unzip();
    ///     let answers = tools.dispatch(calls).await.into_iter().zip(positions);
    ///     let answers = answers.map(|(answer, position)| answer.with_position(position));
    ///     let answered = suspended.with_answers(answers.collect());
    ///     reply = agent.resume(answered, Vec::new()).await?;
    /// }
    /// assert_eq!(reply.text, "It is 42.");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_answers(self, answers: Vec<ToolResult>) -> Self {
        if self.check().is_err() {
            return self; // it was changed in its store, as resuming it reports
        }
        let mut results = self.results.clone();
        for answer in answers {
            let of_it = |result: &&mut ToolResult| {
                let is_same = (result.id(), result.name()) == (answer.id(), answer.name());
                result.position() == answer.position() && is_same && result.held_for().is_some()
            };
            if let Some(result) = results.iter_mut().find(of_it) {
                *result = answer;
            }
        }
        self.with_results(results)
    }

    /// The model's text beside the calls.
    pub(super) fn text(&self) -> String {
        self.message.text()
    }

    pub(super) fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Whether its calls are those that were held.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        match self.fingerprint == fingerprint(&self.message, &self.results) {
            true => Ok(()),
            false => Err("it was changed since its calls were held; give it as it was stored"),
        }
    }

    pub(super) fn with_results(self, results: Vec<ToolResult>) -> Self {
        Self {
            fingerprint: fingerprint(&self.message, &results),
            results,
            ..self
        }
    }

    /// The message, to be kept with its results.
    pub(super) fn received(&self) -> ReceivedMessage {
        let calls = self.results.iter().map(|result| result.call().clone());
        let parsed = ParsedMessage {
            calls: calls.collect(),
            message: self.message.clone(),
            repairs: Vec::new(),
            truncated: Vec::new(),
        };
        ReceivedMessage::new(parsed, BTreeSet::new())
    }
}

/// Changes with anything about what is run, or with its messages. Independent of how it was stored
/// in between: the order of keys and the form of numbers do not matter.
fn fingerprint(message: &AssistantMessage, results: &[ToolResult]) -> String {
    let mut hasher = SipHasher13::new();
    let mut add = |part: &str| {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part.as_bytes());
    };
    add(&message.text());
    for call in &message.tool_calls {
        add(&call.id);
        add(&call.function.name);
        add(&call.function.arguments);
    }
    for result in results {
        let call = result.call();
        let held = match result.held_for() {
            None => "answered".to_owned(),
            Some(HeldFor::Decision) => "decision".to_owned(),
            Some(HeldFor::Earlier(position)) => format!("earlier {position}"),
            Some(_) => "held".to_owned(),
        };
        let position = result.position().to_string();
        for part in [&call.id, &call.name, &call.arguments, &position, &held] {
            add(part);
        }
    }
    format!("{:032x}", hasher.finish128().as_u128())
}
