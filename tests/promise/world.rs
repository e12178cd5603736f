//! What a case consists of: a dispatcher, its tools, and messages with what happens to each call.

/// A dispatcher and all that is asked of it. Times are in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) limit: usize,
    /// Threads that blocking tools have to share.
    pub(crate) threads: usize,
    /// How long a call may run if its tool does not say.
    pub(crate) timeout: Option<u64>,
    pub(crate) bounds: Bounds,
    pub(crate) has_policy: bool,
    pub(crate) layered: Layered,
    /// When a caller begins to wait until it is idle.
    pub(crate) idle: Option<u64>,
    /// Tools whose behavior is drawn; those in [`Tool`] that have attributes come on top.
    pub(crate) kinds: Vec<Kind>,
    pub(crate) messages: Vec<Message>,
}

/// Which calls have a layer around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layered {
    None,
    All,
    /// Those of the first drawn tool.
    OneTool,
}

/// The bounds of a dispatcher that are drawn.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) calls: usize,
    pub(crate) queue: usize,
    pub(crate) nesting: usize,
    pub(crate) output_bytes: usize,
    pub(crate) batch_output_bytes: usize,
    pub(crate) queue_time: u64,
    /// Calls behind any first poll get tasks of their own.
    pub(crate) all_slow: bool,
}

/// Bytes of arguments that a dispatcher takes here.
pub(crate) const ARGUMENT_BYTES: usize = 100;

/// Arrays and objects within each other that a dispatcher takes here.
pub(crate) const ARGUMENT_DEPTH: usize = 4;

/// How a tool's calls behave.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) concurrency: Option<usize>,
    pub(crate) exclusive: bool,
    pub(crate) serialize_by: SerializeBy,
    pub(crate) timeout: Timeout,
    /// Whether it says that it may be repeated.
    pub(crate) repeatable: bool,
    /// How often it is tried, and the first pause between.
    pub(crate) retry: Option<(u32, u64)>,
    pub(crate) is_sync: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SerializeBy {
    Nothing,
    Bed,
    Room,
    Both,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Timeout {
    Inherited,
    After(u64),
    Never,
}

/// The calls of one message, and who waits for them.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// When it is handed over.
    pub(crate) at: u64,
    pub(crate) caller: Caller,
    pub(crate) calls: Vec<Ask>,
}

#[derive(Clone, Debug)]
pub(crate) enum Caller {
    Awaits,
    /// Gives up after a while.
    Drops(u64),
    /// Polls so many times, and then not for a while.
    Stalls(u32, u64),
    /// Reads results one at a time, with a pause after each.
    Reads(u64),
    /// The same, and gives up after a while.
    ReadsAndDrops(u64, u64),
    Turn(Turn),
}

/// A message that arrives bit by bit.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// For each call, over and over: the pause before it opens, and what is next.
    pub(crate) arrivals: Vec<(u64, Arrival)>,
    /// How long after the last of them it ends.
    pub(crate) rest: u64,
    pub(crate) end: TurnEnd,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrival {
    /// Complete when it opens.
    Whole,
    /// Complete after a while.
    Later(u64),
    /// Cut off after a while.
    CutOff(u64),
    /// Open when the message ends.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnEnd {
    Finishes,
    /// Ends, and reads event by event.
    Reads,
    Cancels,
    Drops,
}

/// One call, and what it will meet.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) tool: Tool,
    pub(crate) arguments: Arguments,
    pub(crate) bed: u8,
    pub(crate) room: u8,
    pub(crate) script: Script,
    pub(crate) word: Word,
    pub(crate) mischief: Mischief,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Tool {
    /// One of [`World::kinds`], by its place modulo how many there are.
    Drawn(usize),
    /// An `async fn` whose output and error are written by the dispatcher.
    Answer,
    /// A `fn` that blocks its thread.
    Block,
    BlockInTurn,
    BlockAlone,
    BlockForBed,
    /// No tool has that name.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    Good,
    NotJson,
    NoObject,
    WrongType,
    TooLong,
    TooDeep,
}

/// What a tool does when it runs.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// Attempts that fail before it does what follows.
    pub(crate) failures: u32,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
    pub(crate) panics_when_dropped: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Sleep(u64),
    Yield,
    /// Calls within the call, and for how long it waits for them.
    Dispatch(Vec<Ask>, Option<u64>),
    /// Two batches at once.
    DispatchTwo([Vec<Ask>; 2]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Text,
    /// An output of so many bytes.
    Long(usize),
    Error,
    Fatal,
    BadArguments,
    Panic,
    /// An error whose `Display` panics, where the dispatcher reads it.
    PanicWhenShown,
    /// An output whose `Serialize` panics, where the dispatcher writes it.
    PanicWhenWritten,
    /// An output that cannot be written as JSON.
    Unwritable,
    Never,
}

/// What a policy says of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    pub(crate) after: u64,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allow,
    Refuse,
    /// Another bed.
    Edit(u8),
    /// Arguments that the tool does not take.
    EditBadly,
    /// It waits for a decision, and that is this one.
    Hold {
        allowed: bool,
    },
    Panic,
    Hang,
}

/// What a layer does to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mischief {
    None,
    /// Waits before it passes the call on.
    Wait(u64),
    Panic,
    Never,
    /// Calls again when the first call is answered.
    Again,
    /// Calls twice at once, and passes on an error if there is one.
    Twice,
    /// Answers something else when the call is answered.
    Swallow,
    /// Drops the call after a while, and fails.
    GiveUp(u64),
}
