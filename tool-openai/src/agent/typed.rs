//! Structured output: answers of a type.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use tool_core::schemars::{JsonSchema, SchemaGenerator};
use tool_core::serde_json::{self, Value, json};

use super::{Agent, Conversation, Outcome, Reply};
use crate::arguments::without_surroundings;
use crate::chat::{Message, Request, ToolChoice};
use crate::error::AgentError;
use crate::profile::Profile;
use crate::strict::{drop_nulls, strict};

/// The schema of an answer, and its name.
#[derive(Clone)]
pub(super) struct Answer {
    name: String,
    schema: Value,
    is_wrapped: bool,
}

impl Answer {
    fn of<T: JsonSchema>() -> Self {
        let name = T::schema_name();
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let name = name.replace(|c| !is_allowed(c), "_");
        let mut schema = SchemaGenerator::default()
            .into_root_schema_for::<T>()
            .to_value();
        // Services take an object alone.
        let is_wrapped = schema["type"] != "object";
        if is_wrapped {
            let defs = schema.as_object_mut().and_then(|root| root.remove("$defs"));
            schema = json!({
                "type": "object",
                "properties": {"value": schema},
                "required": ["value"],
                "additionalProperties": false,
            });
            if let Some(defs) = defs {
                schema["$defs"] = defs;
            }
        }
        Self {
            name: name.chars().take(64).collect(),
            schema,
            is_wrapped,
        }
    }

    /// What the model has answered. Strict schemas know no property that may be left out: `null`
    /// where the type takes none is one that was.
    fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, String> {
        let (text, _) = without_surroundings(text);
        let text = drop_nulls(text, &self.schema).map_or(Cow::Borrowed(text), Cow::Owned);
        match parse(&text) {
            Err(why) if self.is_wrapped => {
                let wrapped = parse::<Wrapped<T>>(&text);
                wrapped.map(|wrapped| wrapped.value).map_err(|_| why)
            }
            read => read,
        }
    }

    /// The `response_format` for a service of that profile: held to the schema where it can be.
    fn format(&self, profile: &Profile) -> Value {
        let strict = profile
            .is_strict()
            .then(|| strict(&self.schema, profile, &|_| true));
        let format = match strict {
            Some(Ok(strict)) => {
                json!({"name": self.name, "schema": strict.schema, "strict": true})
            }
            _ => json!({"name": self.name, "schema": self.schema}),
        };
        json!({"type": "json_schema", "json_schema": format})
    }
}

/// Asks for the answer in a request in which the model may give one.
pub(super) fn ask_for(answer: &Answer, profile: &Profile, request: &mut Request) {
    let must_call = match &request.tool_choice {
        None | Some(ToolChoice::None | ToolChoice::Auto) => false,
        Some(ToolChoice::Allowed { required, .. }) => *required,
        Some(ToolChoice::Required | ToolChoice::Tool(_) | ToolChoice::Other(_)) => true,
    };
    if must_call && !request.tools.is_empty() {
        request.extra.remove("response_format");
    } else {
        let format = answer.format(profile);
        request.extra.insert("response_format".to_owned(), format);
    }
}

impl Agent {
    /// Structured output: the model answers with the JSON of a `T`. Its schema goes with every
    /// request in which the model may answer, and the service holds the model to it where it can.
    /// [`Reply::decode`] reads the answer. A `T` that is not an object, a list for example, is
    /// wrapped in one under `value`.
    #[must_use]
    pub fn with_answer<T: JsonSchema>(self) -> Self {
        self.with(|config| config.answer = Some(Answer::of::<T>()))
    }

    /// As [`run`](Self::run), with structured output: an answer of a type.
    ///
    /// ```
    /// use serde::Deserialize;
    /// use tool_core::schemars::{self, JsonSchema};
    /// use tool_openai::Agent;
    /// use tool_openai::testing::{MockModel, ScriptedReply};
    ///
    /// #[derive(Deserialize, JsonSchema)]
    /// #[schemars(crate = "tool_core::schemars")]
    /// struct Weather {
    ///     city: String,
    ///     celsius: f64,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let model = MockModel::new([ScriptedReply::text(r#"{"city": "Oslo", "celsius": 4.5}"#)]);
    /// let weather: Weather = Agent::new(model, "mock").run_as("How is the weather in Oslo?").await?;
    /// assert_eq!((weather.city.as_str(), weather.celsius), ("Oslo", 4.5));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`run`](Self::run), and [`AgentError::Answer`] if the answer is not a `T`.
    ///
    /// # Cancel safety
    /// As for `run`.
    pub async fn run_as<T: DeserializeOwned + JsonSchema>(
        &self,
        prompt: impl Into<Message>,
    ) -> Result<T, AgentError> {
        self.conversation().run_as(prompt).await
    }
}

impl Conversation {
    /// As [`run`](Self::run), with structured output: see [`Agent::run_as`].
    ///
    /// # Errors
    /// As for [`run`](Self::run), and [`AgentError::Answer`] if the answer is not a `T`.
    ///
    /// # Cancel safety
    /// As for `run`.
    pub async fn run_as<T: DeserializeOwned + JsonSchema>(
        &self,
        prompt: impl Into<Message>,
    ) -> Result<T, AgentError> {
        let agent = self.agent().clone().with_answer::<T>();
        let reply = self.clone().with_agent(agent).run(prompt).await?;
        reply.decode()
    }
}

impl Reply {
    /// Reads the answer, a `T` as JSON. A code fence around it is left out.
    ///
    /// # Errors
    /// [`AgentError::Answer`] says what is wrong, and where, and holds the reply: one that is
    /// [suspended](Outcome::Suspended), for example, is not an answer yet.
    pub fn decode<T: DeserializeOwned + JsonSchema>(self) -> Result<T, AgentError> {
        let reason = match &self.outcome {
            Outcome::Suspended(_) => "the run is suspended".to_owned(),
            Outcome::Stopped => "the run was stopped before an answer".to_owned(),
            Outcome::Finished => match Answer::of::<T>().read(&self.text) {
                Ok(value) => return Ok(value),
                Err(reason) => reason,
            },
        };
        Err(AgentError::Answer {
            reason,
            reply: Box::new(self),
        })
    }
}

/// An answer that is not an object, in the object that services ask for.
#[derive(serde::Deserialize)]
struct Wrapped<T> {
    value: T,
}

/// A value, or what is wrong with it, and where.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        match path.as_str() {
            "." => error.inner().to_string(),
            path => format!("`{path}`: {}", error.inner()),
        }
    })?;
    json.end().map_err(|error| error.to_string())?;
    Ok(value)
}
