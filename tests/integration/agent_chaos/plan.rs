//! What is drawn: messages, what happens to them, and the runs over them.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

/// A conversation.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// How the messages arrive.
    pub(super) form: Form,
    /// Whether calls may start before the message is over.
    pub(super) early: bool,
    pub(super) max_turns: usize,
    /// Calls at once.
    pub(super) limit: usize,
    /// Calls of one message that the dispatcher takes, if few.
    pub(super) most: Option<usize>,
    /// Whether a policy holds some calls, until all of a message are approved.
    pub(super) holds: bool,
    /// Tokens that a run may use.
    pub(super) budget: Option<u64>,
    /// When the program cancels the run, in milliseconds.
    pub(super) cancelled_after: Option<u64>,
    pub(super) turns: Vec<Turn>,
    pub(super) runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As events of a model in the program.
    Events,
    /// The same, but the model reports only the whole message.
    Silent,
    /// As server-sent events through the assembler.
    Bytes,
    /// The same from a server, through the client.
    Http,
}

/// One message of the model.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) text: bool,
    pub(super) refusal: bool,
    pub(super) calls: Vec<Call>,
    pub(super) finish: Option<&'static str>,
    pub(super) end: End,
    /// After how much of the message it ends, if not at its end.
    pub(super) at: usize,
    /// Milliseconds between two parts.
    pub(super) pace: u64,
    /// Whether all calls are written at once.
    pub(super) interleaved: bool,
    pub(super) style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Finish,
    Break,
    Error,
    Hang,
    /// The stream ends as if nothing were missing.
    Nothing,
    /// The message is over, and there is none.
    NoChoice,
}

/// How chunks identify the call they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Canonical,
    /// Every call has the index 0.
    Zero,
    NoIndex,
    /// Each call in one chunk.
    Whole,
    /// All calls in one chunk, which has the finish reason too.
    AllAtOnce,
    /// Id and name in each chunk.
    Repeated,
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) id: Id,
    pub(super) name: Name,
    pub(super) arguments: Arguments,
    /// How long the tool takes, in milliseconds.
    pub(super) millis: u64,
    /// What the model writes on after the call was complete; reported as events only.
    pub(super) reopens: Option<Reopens>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    Own,
    /// The same for every such call of the conversation.
    Same,
    Missing,
    Kimi,
    /// One that might be made up for another call.
    Stolen(usize, usize),
    /// As long as services take it.
    Long,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Plain(&'static str),
    Prefixed(&'static str),
    Suffixed(&'static str),
    Padded(&'static str),
    Wrapper(Vec<&'static str>),
    Custom,
    Unknown,
    Illegal,
    Empty,
    /// As long as services take it.
    Long,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arguments {
    Good,
    NullForOptional,
    Fenced,
    Repeated,
    LeadingEmpty,
    Distinct,
    Malformed,
    WrongType,
    Unknown,
    RepeatedProperty,
    Null,
    Empty,
    Blank,
    List,
    Trailing,
    /// The text ends after so many bytes.
    Cut(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reopens {
    Same,
    Distinct,
    Garbage,
    /// What comes is nothing but space.
    Space,
    /// And is never complete again.
    Unfinished,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) how: How,
    /// Text comes first.
    pub(super) says: bool,
    /// The conversation is stored and read back before.
    pub(super) stored: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Whole,
    Streamed,
    /// The stream is dropped after so many events.
    Left(usize),
    /// The run is dropped after so many milliseconds.
    Abandoned(u64),
}

/// The tools that take a number.
pub(super) const NUMBERED: [&str; 9] = [
    "look",
    "look",
    "enter",
    "fail",
    "burst",
    "sleep_long",
    "halt",
    "give_up",
    "alone",
];

pub(super) fn case(form: Form) -> impl Strategy<Value = Case> {
    let setup = (
        any::<bool>(),
        1..5_usize,
        prop_oneof![1..4_usize, Just(64)],
        weighted(0.3, 0..400_u64),
        weighted(0.1, 0..3_usize),
        weighted(0.15, 1..6_u64), // a turn uses two
        prop::bool::weighted(0.25),
    );
    (setup, vec(turn(), 1..6), vec(run(), 1..4)).prop_map(
        move |((early, max_turns, limit, cancelled_after, most, budget, holds), turns, runs)| {
            Case {
                form,
                early,
                max_turns,
                budget,
                holds,
                limit,
                most,
                cancelled_after,
                turns,
                runs,
            }
        },
    )
}

fn turn() -> impl Strategy<Value = Turn> {
    let says = (prop::bool::weighted(0.4), prop::bool::weighted(0.08));
    let calls = prop_oneof![1 => Just(Vec::new()), 8 => vec(call(), 1..5)];
    let finish = prop_oneof![
        6 => Just(Some("tool_calls")),
        2 => Just(Some("stop")),
        2 => Just(Some("length")),
        1 => Just(Some("content_filter")),
        1 => Just(None),
    ];
    let end = prop_oneof![
        10 => Just(End::Finish),
        2 => Just(End::Break),
        1 => Just(End::Error),
        1 => Just(End::Hang),
        1 => Just(End::Nothing),
        1 => Just(End::NoChoice),
    ];
    let style = prop_oneof![
        6 => Just(Style::Canonical),
        1 => Just(Style::Zero),
        1 => Just(Style::NoIndex),
        1 => Just(Style::Whole),
        1 => Just(Style::AllAtOnce),
        1 => Just(Style::Repeated),
    ];
    let written = (
        0..40_usize,
        prop_oneof![Just(0), 1..60_u64],
        prop::bool::weighted(0.15),
        style,
    );
    (says, calls, finish, end, written).prop_map(
        |((text, refusal), calls, finish, end, (at, pace, interleaved, style))| Turn {
            text,
            refusal,
            calls,
            finish,
            end,
            at,
            pace,
            interleaved,
            style,
        },
    )
}

fn call() -> impl Strategy<Value = Call> {
    let id = prop_oneof![
        6 => Just(Id::Own),
        2 => Just(Id::Same),
        2 => Just(Id::Missing),
        1 => Just(Id::Kimi),
        1 => (0..12_usize, 0..5_usize).prop_map(|(turn, position)| Id::Stolen(turn, position)),
        1 => Just(Id::Long),
    ];
    let reopens = prop::sample::select(vec![
        Reopens::Same,
        Reopens::Distinct,
        Reopens::Garbage,
        Reopens::Space,
        Reopens::Unfinished,
    ]);
    (id, name(), arguments(), 0..200_u64, weighted(0.08, reopens)).prop_map(
        |(id, name, arguments, millis, reopens)| Call {
            // What has neither a name nor an id of its own continues with the call before it.
            id: if name == Name::Empty { Id::Own } else { id },
            name,
            arguments,
            millis,
            reopens,
        },
    )
}

fn name() -> impl Strategy<Value = Name> {
    let tool = || prop::sample::select(NUMBERED.to_vec());
    prop_oneof![
        12 => tool().prop_map(Name::Plain),
        2 => Just(Name::Plain("nothing")),
        1 => tool().prop_map(Name::Prefixed),
        1 => tool().prop_map(Name::Suffixed),
        1 => tool().prop_map(Name::Padded),
        2 => vec(tool(), 0..4).prop_map(Name::Wrapper),
        1 => Just(Name::Custom),
        1 => Just(Name::Unknown),
        1 => Just(Name::Illegal),
        1 => Just(Name::Empty),
        1 => Just(Name::Long),
    ]
}

fn arguments() -> impl Strategy<Value = Arguments> {
    use Arguments::*;
    let odd = vec![
        NullForOptional,
        Fenced,
        Repeated,
        LeadingEmpty,
        Distinct,
        Malformed,
        WrongType,
        Unknown,
        RepeatedProperty,
        Null,
        Empty,
        Blank,
        List,
        Trailing,
    ];
    prop_oneof![10 => Just(Good), 6 => prop::sample::select(odd), 2 => (1..30_usize).prop_map(Cut)]
}

fn run() -> impl Strategy<Value = Run> {
    let how = prop_oneof![
        3 => Just(How::Whole),
        3 => Just(How::Streamed),
        2 => (0..40_usize).prop_map(How::Left),
        1 => (0..600_u64).prop_map(How::Abandoned),
    ];
    (how, any::<bool>(), prop::bool::weighted(0.2)).prop_map(|(how, says, stored)| Run {
        how,
        says,
        stored,
    })
}
