//! One call of the wire after another.

use tool_core::ToolSet;
use tool_core::serde_json::{Map, Value};

use super::super::convert::legal_name;
use super::super::custom::behind_references;
use super::super::ids::Ids;
use super::super::wire::{FunctionCall, ToolCall};
use super::{names, wrapper};
use crate::arguments::{self, Arguments, Repair};
use crate::profile::Profile;
use crate::strict::drop_nulls;

/// Parses the calls of one message, one after another: what runs, and what the history keeps.
///
/// The same calls, tools and turn give the same, ids included.
///
/// - **Names** of no known tool are tried without space around them, `functions.` before them and
///   `:0` behind them.
/// - **Wrappers** (`multi_tool_use.parallel`) become the calls inside them, unless a tool has that
///   name.
/// - **Ids** that are missing or repeated are replaced; all others stay as they are.
/// - **Arguments** are repaired where that is safe, and each [`Repair`] is reported. What stays malformed
///   is passed on, for the dispatcher to answer with what is wrong.
/// - **Nulls** for absent parameters, as models write them in strict mode, are left out of what
///   runs.
/// - **Custom** calls become calls with one argument: the tool's only string parameter, or `input`.
///
/// ```
/// use tool_core::serde_json::{from_value, json};
/// use tool_core::{tool, tools};
/// use tool_openai::chat::MessageParser;
///
/// /// Add two numbers.
/// #[tool]
/// fn add(a: i64, b: i64) -> i64 {
///     a.wrapping_add(b)
/// }
///
/// let tools = tools![add];
/// let call = from_value(json!({"function": {"name": "functions.add", "arguments": "```json\n{\"a\": 1, \"b\": 2}\n```"}}))?;
/// let parsed = MessageParser::new(&tools, 1).parse(call, false);
/// assert_eq!((parsed[0].call.name.as_str(), parsed[0].call.arguments.as_str()), ("add", r#"{"a": 1, "b": 2}"#));
/// assert_eq!(parsed[0].repairs.len(), 3); // name, code fence, id
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MessageParser<'a> {
    tools: &'a ToolSet,
    split: bool,
    ids: Ids,
}

/// One parsed call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ParsedCall {
    /// What the history keeps: a name that services accept, arguments as repaired, `{}` where they
    /// are not an object.
    pub wire: ToolCall,
    /// What the dispatcher runs, or refuses.
    pub call: tool_core::ToolCall,
    /// What was repaired.
    pub repairs: Vec<Repair>,
    /// The message was cut short in this call: it is never to run, and what there is of its
    /// arguments is not an object.
    pub truncated: bool,
}

/// A call without its id.
pub(crate) struct Found {
    wire: ToolCall,
    /// The name of the tool that would be run.
    pub(crate) name: String,
    arguments: String,
    repairs: Vec<Repair>,
    truncated: bool,
}

impl<'a> MessageParser<'a> {
    /// A parser of one message. No two messages of a conversation should have the same `turn`:
    /// invented ids are made of it.
    pub fn new(tools: &'a ToolSet, turn: usize) -> Self {
        Self {
            tools,
            split: false,
            ids: Ids::new(turn),
        }
    }

    /// Sets the service: invented ids have the form that it demands.
    #[must_use]
    pub fn with_profile(self, profile: &Profile) -> Self {
        Self {
            ids: self.ids.for_profile(profile.clone()),
            ..self
        }
    }

    /// Sets whether several different objects in the arguments of one call make several calls.
    /// Unless set, such a call is answered with an error.
    #[must_use]
    pub fn with_split_calls(self, split: bool) -> Self {
        Self { split, ..self }
    }

    /// Parses the next call of the message. One call, unless it wraps several; never none.
    ///
    /// `cut`: the message was cut short, and this may be the call that it was cut in. Then a call
    /// whose arguments are incomplete is marked, and so is a custom one, whose text may always
    /// continue.
    pub fn parse(&mut self, call: ToolCall, cut: bool) -> Vec<ParsedCall> {
        let found = self.look_at(call, cut);
        self.take(found)
    }

    /// What the next call of the message would be parsed into.
    pub(crate) fn look_at(&self, call: ToolCall, cut: bool) -> Vec<Found> {
        if call.is_custom() {
            vec![self.custom(call, cut)]
        } else {
            self.function(call, cut)
        }
    }

    /// Takes what [`look_at`](Self::look_at) found as the next call.
    pub(crate) fn take(&mut self, found: Vec<Found>) -> Vec<ParsedCall> {
        found
            .into_iter()
            .map(|found| self.complete(found))
            .collect()
    }

    /// As [`parse`](Self::parse), for a call that must stay one.
    pub(super) fn parse_one(&mut self, call: ToolCall, cut: bool) -> Vec<ParsedCall> {
        self.found(call, cut, false)
            .into_iter()
            .map(|found| self.complete(found))
            .collect()
    }

    fn function(&self, call: ToolCall, cut: bool) -> Vec<Found> {
        let Some(uses) = wrapper::unpack(self.tools, &call.function, cut) else {
            return self.found(call, cut, self.split);
        };
        let mut first = Some(call);
        let unpacked = uses.into_iter().flat_map(|inside| {
            let function = FunctionCall {
                name: inside.name,
                arguments: inside.arguments,
                extra: Map::new(),
            };
            let call = ToolCall {
                function,
                ..first.take().unwrap_or_else(nameless)
            };
            self.found(call, false, self.split)
        });
        unpacked
            .map(|mut found| {
                found.repairs.insert(0, Repair::Unpacked);
                found
            })
            .collect()
    }

    /// The calls that a function call represents: several, if it is to be split and its arguments
    /// are several objects.
    fn found(&self, mut call: ToolCall, cut: bool, split: bool) -> Vec<Found> {
        let given = std::mem::take(&mut call.function.name);
        let name = names::resolve(self.tools, &given).to_owned();
        let renamed = (name != given).then_some(Repair::Name { given });
        let Arguments {
            texts,
            repairs,
            objects,
        } = arguments::parse(
            std::mem::take(&mut call.function.arguments),
            cut,
            split,
            self.takes_none(&name),
        );
        let repairs: Vec<Repair> = renamed.into_iter().chain(repairs).collect();
        call.custom = None;
        let mut first = Some(call);
        let found = texts.into_iter().map(|arguments| {
            let mut wire = first.take().unwrap_or_else(nameless);
            wire.r#type = "function".to_owned();
            wire.function.name = legal_name(&name);
            wire.function.arguments = if objects {
                arguments.clone()
            } else {
                "{}".to_owned()
            };
            Found {
                wire,
                name: name.clone(),
                arguments,
                repairs: repairs.clone(),
                truncated: cut && !objects,
            }
        });
        found.collect()
    }

    /// Whether it is a tool without parameters.
    fn takes_none(&self, name: &str) -> bool {
        self.tools.definition(name).is_some_and(|definition| {
            let parameters = definition.parameters();
            let is_open = parameters["additionalProperties"] == true
                || parameters["additionalProperties"].is_object();
            let properties = parameters["properties"].as_object();
            properties.is_none_or(Map::is_empty) && !is_open
        })
    }

    fn custom(&self, mut call: ToolCall, cut: bool) -> Found {
        let custom = call.custom.get_or_insert_default();
        let name = names::resolve(self.tools, &custom.name).to_owned();
        let repairs = if name == custom.name {
            Vec::new()
        } else {
            vec![Repair::Name {
                given: custom.name.clone(),
            }]
        };
        custom.name = legal_name(&name);
        let mut arguments = self.custom_arguments(&name, &custom.input);
        if cut {
            arguments.truncate(arguments.len().saturating_sub(2)); // `"}`: the text continues, so the object does not end
            custom.input.clear();
        }
        call.r#type = "custom".to_owned();
        call.function = FunctionCall::default();
        Found {
            wire: call,
            name,
            arguments,
            repairs,
            truncated: cut,
        }
    }

    /// The text as an object: `{"input": "…"}`, or under the only parameter that takes text.
    fn custom_arguments(&self, name: &str, input: &str) -> String {
        let parameters = self
            .tools
            .definition(name)
            .map_or(&Value::Null, |tool| tool.parameters());
        let properties = parameters
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        let mut texts = properties
            .filter(|(_, schema)| takes_text(parameters, schema))
            .map(|(name, _)| name.as_str());
        let property = match (texts.next(), texts.next()) {
            (Some(name), None) => name,
            _ => "input",
        };
        Value::Object(Map::from_iter([(property.to_owned(), input.into())])).to_string()
    }

    fn complete(&mut self, found: Found) -> ParsedCall {
        let Found {
            mut wire,
            name,
            arguments,
            mut repairs,
            truncated,
        } = found;
        wire.extra.remove("index");
        repairs.extend(
            self.ids
                .take(&mut wire.id)
                .map(|given| Repair::Id { given }),
        );
        let schema = self.tools.definition(&name).map(|tool| tool.parameters());
        let arguments = schema
            .and_then(|schema| drop_nulls(&arguments, schema))
            .unwrap_or(arguments);
        ParsedCall {
            call: tool_core::ToolCall::new(&wire.id, name, arguments),
            wire,
            repairs,
            truncated,
        }
    }
}

fn takes_text(parameters: &Value, schema: &Value) -> bool {
    match behind_references(parameters, schema).and_then(|schema| schema.get("type")) {
        Some(Value::String(name)) => name == "string",
        Some(Value::Array(names)) => names.iter().any(|name| name == "string"),
        _ => false,
    }
}

fn nameless() -> ToolCall {
    ToolCall {
        id: String::new(),
        r#type: "function".to_owned(),
        function: FunctionCall::default(),
        custom: None,
        extra: Map::new(),
    }
}
