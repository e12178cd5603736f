//! Tools that do what their calls' scripts say, and note it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use tool_core::{
    Behavior, CallContext, Retry, Tool, ToolDefinition, ToolError, ToolFuture, ToolOutput, ToolSet,
    tool, tools,
};

use crate::body::{act, hold};
use crate::plan::Plan;
use crate::stage::Stage;
use crate::world::{End, Kind, SerializeBy, Timeout};

/// The tools of a case.
pub(crate) fn tools(stage: &Arc<Stage>) -> ToolSet {
    let with_attributes = tools![
        answer,
        block,
        block_in_turn,
        block_alone,
        block_for_bed,
        probe,
        probe_bed
    ];
    let drawn = stage
        .plan
        .world
        .kinds
        .iter()
        .enumerate()
        .map(|(at, kind)| Drawn {
            definition: definition(format!("drawn_{at}"), kind),
            stage: Arc::clone(stage),
        });
    drawn.fold(
        with_attributes.with_shared_state(Arc::clone(stage)),
        |tools, tool| tools.with_tool(tool).unwrap(),
    )
}

fn definition(name: String, kind: &Kind) -> ToolDefinition {
    let number = json!({"type": "integer"});
    let parameters = json!({
        "type": "object",
        "properties": {"call": number, "bed": number, "room": number},
        "required": ["call", "bed", "room"],
        "additionalProperties": false,
    });
    ToolDefinition::new(name, "Do as it says.", parameters)
        .unwrap()
        .with_behavior(|behavior| behave(behavior, kind))
        .unwrap()
}

fn behave(behavior: &mut Behavior, kind: &Kind) {
    behavior.concurrency = kind.concurrency;
    behavior.exclusive = kind.exclusive;
    let serialize_by: &[&str] = match kind.serialize_by {
        SerializeBy::Nothing => &[],
        SerializeBy::Bed => &["bed"],
        SerializeBy::Room => &["room"],
        SerializeBy::Both => &["bed", "room"],
    };
    behavior.serialize_by = serialize_by.iter().map(|name| (*name).to_owned()).collect();
    behavior.timeout = match kind.timeout {
        Timeout::Inherited => tool_core::Timeout::Inherit,
        Timeout::After(millis) => tool_core::Timeout::After(Duration::from_millis(millis)),
        Timeout::Never => tool_core::Timeout::Never,
    };
    behavior.idempotent = Some(kind.repeatable);
    behavior.retry = kind.retry.map(|(attempts, backoff)| {
        let mut retry = Retry::default();
        (retry.attempts, retry.backoff) = (attempts, Duration::from_millis(backoff));
        retry
    });
}

/// A tool whose behavior is drawn.
struct Drawn {
    definition: ToolDefinition,
    stage: Arc<Stage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "they are keys")]
struct Given {
    call: usize,
    bed: u8,
    room: u8,
}

impl Given {
    fn read(arguments: &str) -> Result<Self, ToolError> {
        serde_json::from_str(arguments).map_err(ToolError::invalid_arguments)
    }
}

impl Tool for Drawn {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call<'a>(&'a self, context: &'a CallContext, arguments: &'a str) -> ToolFuture<'a> {
        Box::pin(async move {
            let call = Given::read(arguments)?.call;
            match outcome(act(&self.stage, context, call).await) {
                Ok(answer) => ToolOutput::from_serialize(&answer),
                Err(error) => match error.reported {
                    Some(reported) => Err(reported),
                    None => Err(ToolError::from_error(error)),
                },
            }
        })
    }

    fn check(&self, arguments: &str) -> Result<(), ToolError> {
        Given::read(arguments).map(drop)
    }
}

/// Do as it says, and leave it to the dispatcher to write that down.
#[tool]
async fn answer(
    #[context] cx: &CallContext,
    #[state] stage: &Stage,
    call: usize,
    bed: u8,
    room: u8,
) -> Result<Answer, Failure> {
    _ = (bed, room);
    outcome(act(stage, cx, call).await)
}

/// Block a thread.
#[tool(timeout = "150ms")]
fn block(
    #[context] cx: &CallContext,
    #[state] stage: &Stage,
    call: usize,
    bed: u8,
    room: u8,
) -> Result<Answer, Failure> {
    _ = (bed, room);
    outcome(hold(stage, cx, call))
}

/// Block a thread, one at a time.
#[tool(timeout = "100ms", concurrency = 1)]
fn block_in_turn(
    #[context] cx: &CallContext,
    #[state] stage: &Stage,
    call: usize,
    bed: u8,
    room: u8,
) -> Result<Answer, Failure> {
    _ = (bed, room);
    outcome(hold(stage, cx, call))
}

/// Block a thread, alone.
#[tool(timeout = "100ms", exclusive)]
fn block_alone(
    #[context] cx: &CallContext,
    #[state] stage: &Stage,
    call: usize,
    bed: u8,
    room: u8,
) -> Result<Answer, Failure> {
    _ = (bed, room);
    outcome(hold(stage, cx, call))
}

/// Block a thread, one at a time for each bed.
#[tool(timeout = "100ms", serialize_by(bed))]
fn block_for_bed(
    #[context] cx: &CallContext,
    #[state] stage: &Stage,
    call: usize,
    bed: u8,
    room: u8,
) -> Result<Answer, Failure> {
    _ = (bed, room);
    outcome(hold(stage, cx, call))
}

/// Take a permit for a while.
#[tool(timeout = "none")]
async fn probe() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Take a bed for a while.
#[tool(timeout = "none", serialize_by(bed))]
async fn probe_bed(bed: u8) -> u8 {
    tokio::time::sleep(Duration::from_millis(1)).await;
    bed
}

/// The text that a plain success says.
pub(crate) const DONE: &str = "done";

fn outcome(end: End) -> Result<Answer, Failure> {
    match end {
        End::Error => Err(Failure {
            end,
            reported: None,
        }),
        End::Fatal => Err(Failure {
            end,
            reported: Some(ToolError::fatal("fatal")),
        }),
        End::BadArguments => Err(Failure {
            end,
            reported: Some(ToolError::invalid_arguments("not this bed")),
        }),
        End::PanicWhenShown => Err(Failure {
            end,
            reported: None,
        }),
        end => Ok(Answer(end)),
    }
}

struct Answer(End);

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            End::PanicWhenWritten => panic!("on purpose"),
            End::Unwritable => Err(serde::ser::Error::custom("cannot be written")),
            End::Long(bytes) => serializer.serialize_str(&"x".repeat(bytes)),
            _ => serializer.serialize_str(DONE),
        }
    }
}

#[derive(Debug)]
struct Failure {
    end: End,
    reported: Option<ToolError>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(self.end != End::PanicWhenShown, "on purpose");
        f.write_str("failed")
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.reported.as_ref().map(|reported| reported as _)
    }
}

impl Plan {
    /// The call that argument text is about.
    pub(crate) fn call_of(arguments: &str) -> Option<usize> {
        Given::read(arguments).ok().map(|given| given.call)
    }
}
