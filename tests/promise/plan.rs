//! A world as lists of calls and batches that point at each other, without what could never end.

use serde_json::json;
use tool_core::ToolCall;

use crate::world::{
    ARGUMENT_BYTES, ARGUMENT_DEPTH, Arguments, Ask, Caller, End, Kind, Layered, Mischief,
    SerializeBy, Step, Timeout, Tool, TurnEnd, Verdict, Word, World,
};

/// Calls of a case at most; those behind are left out.
const MOST_CALLS: usize = 200;

/// The name of the first drawn tool.
pub(crate) const FIRST_DRAWN: &str = "drawn_0";

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) world: World,
    pub(crate) calls: Vec<Call>,
    pub(crate) batches: Vec<Batch>,
}

#[derive(Debug)]
pub(crate) struct Batch {
    /// The call that dispatches it, if one does.
    pub(crate) parent: Option<usize>,
    pub(crate) at: u64,
    pub(crate) caller: Caller,
    pub(crate) calls: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) batch: usize,
    pub(crate) position: usize,
    pub(crate) parent: Option<usize>,
    pub(crate) depth: usize,
    pub(crate) tool: Tool,
    /// Calls with equal names here share a tool's limit.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) arguments: Arguments,
    pub(crate) bed: u8,
    pub(crate) room: u8,
    pub(crate) failures: u32,
    pub(crate) steps: Vec<Act>,
    pub(crate) end: End,
    pub(crate) panics_when_dropped: bool,
    pub(crate) word: Option<Word>,
    pub(crate) mischief: Mischief,
}

#[derive(Debug)]
pub(crate) enum Act {
    Sleep(u64),
    Yield,
    /// A batch, and for how long it waits for that.
    Dispatch(usize, Option<u64>),
    DispatchTwo([usize; 2]),
}

/// What calls exclude each other by.
pub(crate) type Key = (SerializeBy, u8, u8);

/// What of the surroundings of a call ends it, if it does not end itself.
#[derive(Clone, Copy)]
struct Around {
    /// Its message is given up on in any case.
    given_up: bool,
    /// The call that makes it has a deadline.
    bounded: bool,
}

impl Plan {
    pub(crate) fn of(world: World) -> Self {
        let messages = world.messages.clone();
        let mut plan = Self {
            world,
            calls: Vec::new(),
            batches: Vec::new(),
        };
        for message in messages {
            let given_up = match &message.caller {
                Caller::Drops(_) | Caller::ReadsAndDrops(..) => true,
                Caller::Turn(turn) => matches!(turn.end, TurnEnd::Cancels | TurnEnd::Drops),
                _ => false,
            };
            plan.add_batch(
                message.at,
                message.caller,
                None,
                message.calls,
                Around {
                    given_up,
                    bounded: false,
                },
            );
        }
        plan
    }

    fn add_batch(
        &mut self,
        at: u64,
        caller: Caller,
        parent: Option<usize>,
        asks: Vec<Ask>,
        around: Around,
    ) -> usize {
        let batch = self.batches.len();
        self.batches.push(Batch {
            parent,
            at,
            caller,
            calls: Vec::new(),
        });
        for ask in asks {
            if self.calls.len() < MOST_CALLS {
                self.add_call(batch, parent, ask, around);
            }
        }
        batch
    }

    fn add_call(&mut self, batch: usize, parent: Option<usize>, ask: Ask, around: Around) {
        let index = self.calls.len();
        let (name, kind) = self.tool(ask.tool);
        let position = self.batches[batch].calls.len();
        self.batches[batch].calls.push(index);
        let is_bounded = around.bounded || kind.time(&self.world).is_some();
        let ends = around.given_up || is_bounded;
        let decided = around.given_up || around.bounded;
        let nests = ask
            .script
            .steps
            .iter()
            .any(|step| matches!(step, Step::Dispatch(..) | Step::DispatchTwo(_)));
        let verdict = if ask.word.verdict == Verdict::Hang && !decided {
            Verdict::Allow
        } else {
            ask.word.verdict
        };
        let end = match ask.script.end {
            End::Never if !ends && !kind.is_sync => End::Text,
            // Tried again, it would dispatch the same batch twice.
            end if nests
                && kind.retry.is_some()
                && !matches!(end, End::Text | End::Long(_) | End::Never) =>
            {
                End::Text
            }
            end => end,
        };
        let mischief = self.mischief(ask.mischief, &name, ends, nests);
        self.calls.push(Call {
            id: if index % 7 == 3 {
                "twice".to_owned()
            } else {
                format!("#{index}")
            },
            batch,
            position,
            parent,
            depth: parent.map_or(0, |parent| self.calls[parent].depth + 1),
            tool: ask.tool,
            name,
            arguments: ask.arguments,
            bed: ask.bed,
            room: ask.room,
            failures: if nests { 0 } else { ask.script.failures },
            steps: Vec::new(),
            end,
            panics_when_dropped: ask.script.panics_when_dropped && !kind.is_sync,
            word: self.world.has_policy.then_some(Word {
                verdict,
                ..ask.word
            }),
            mischief,
            kind,
        });
        let inside = Around {
            bounded: is_bounded,
            ..around
        };
        let steps = ask
            .script
            .steps
            .into_iter()
            .filter_map(|step| self.act(index, step, inside))
            .collect();
        self.calls[index].steps = steps;
    }

    /// What a layer does to a call: nothing that would keep it for ever, or have it dispatch the
    /// same batch twice.
    fn mischief(&self, drawn: Mischief, name: &str, ends: bool, nests: bool) -> Mischief {
        let is_layered = match self.world.layered {
            Layered::None => false,
            Layered::All => true,
            Layered::OneTool => name == FIRST_DRAWN,
        };
        match drawn {
            _ if !is_layered => Mischief::None,
            Mischief::Never if !ends => Mischief::None,
            Mischief::Again | Mischief::Twice if nests => Mischief::None,
            mischief => mischief,
        }
    }

    fn act(&mut self, call: usize, step: Step, inside: Around) -> Option<Act> {
        match step {
            Step::Sleep(millis) => Some(Act::Sleep(millis)),
            Step::Yield => Some(Act::Yield),
            Step::DispatchTwo(asks) => {
                Some(Act::DispatchTwo(asks.map(|asks| {
                    self.add_batch(0, Caller::Awaits, Some(call), asks, inside)
                })))
            }
            Step::Dispatch(asks, patience) => Some(Act::Dispatch(
                self.add_batch(0, Caller::Awaits, Some(call), asks, inside),
                patience,
            )),
        }
    }

    /// The tool's name and how its calls behave.
    fn tool(&self, tool: Tool) -> (String, Kind) {
        let sync = |timeout| Kind {
            is_sync: true,
            timeout: Timeout::After(timeout),
            ..Kind::plain()
        };
        let (name, kind) = match tool {
            Tool::Drawn(at) => {
                let at = at % self.world.kinds.len();
                return (format!("drawn_{at}"), self.world.kinds[at].clone());
            }
            Tool::Answer => ("answer", Kind::plain()),
            Tool::Block => ("block", sync(150)),
            Tool::BlockInTurn => (
                "block_in_turn",
                Kind {
                    concurrency: Some(1),
                    ..sync(100)
                },
            ),
            Tool::BlockAlone => (
                "block_alone",
                Kind {
                    exclusive: true,
                    ..sync(100)
                },
            ),
            Tool::BlockForBed => (
                "block_for_bed",
                Kind {
                    serialize_by: SerializeBy::Bed,
                    ..sync(100)
                },
            ),
            Tool::Unknown => ("gone", Kind::plain()),
        };
        (name.to_owned(), kind)
    }

    /// The calls of a batch, as a model would make them.
    pub(crate) fn tool_calls(&self, batch: usize) -> Vec<ToolCall> {
        self.batches[batch]
            .calls
            .iter()
            .map(|&call| self.tool_call(call))
            .collect()
    }

    pub(crate) fn tool_call(&self, call: usize) -> ToolCall {
        let Call {
            id,
            name,
            arguments,
            bed,
            room,
            ..
        } = &self.calls[call];
        let good = json!({"call": call, "bed": bed, "room": room}).to_string();
        let arguments = match arguments {
            Arguments::Good => good,
            Arguments::NotJson => good[1..].to_owned(),
            Arguments::NoObject => format!("[{good}]"),
            Arguments::WrongType => json!({"call": call, "bed": "none", "room": room}).to_string(),
            Arguments::TooLong => good + &" ".repeat(ARGUMENT_BYTES),
            Arguments::TooDeep => {
                json!({"call": call, "bed": bed, "room": nested(ARGUMENT_DEPTH)}).to_string()
            }
        };
        ToolCall::new(id, name, arguments)
    }

    /// Whether `ancestor` is the call that dispatched `call`, or one further up.
    pub(crate) fn is_within(&self, call: usize, ancestor: usize) -> bool {
        std::iter::successors(self.calls[call].parent, |&parent| self.calls[parent].parent)
            .any(|parent| parent == ancestor)
    }
}

fn nested(depth: usize) -> serde_json::Value {
    (0..depth).fold(json!(0), |inner, _| json!([inner]))
}

impl Call {
    /// Whether it could run, as far as its tool and arguments are concerned.
    pub(crate) fn is_sound(&self) -> bool {
        self.arguments == Arguments::Good && !matches!(self.tool, Tool::Unknown)
    }

    /// Whether the policy holds it.
    pub(crate) fn is_held(&self) -> bool {
        let verdict = self.word.map(|word| word.verdict);
        matches!(verdict, Some(Verdict::Hold { .. })) && self.depth == 0
    }

    /// Whether calls of the same batch exclude each other.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        let is_barrier = self.kind.exclusive || other.kind.exclusive;
        is_barrier || self.key().is_some() && self.key() == other.key()
    }

    /// What it excludes others by, once decided on.
    pub(crate) fn key(&self) -> Option<Key> {
        let bed = match self.word.map(|word| word.verdict) {
            Some(Verdict::Edit(bed)) => bed,
            _ => self.bed,
        };
        match self.kind.serialize_by {
            SerializeBy::Nothing => None,
            SerializeBy::Bed => Some((SerializeBy::Bed, bed, 0)),
            SerializeBy::Room => Some((SerializeBy::Room, 0, self.room)),
            SerializeBy::Both => Some((SerializeBy::Both, bed, self.room)),
        }
    }
}

impl Kind {
    fn plain() -> Self {
        Self {
            concurrency: None,
            exclusive: false,
            serialize_by: SerializeBy::Nothing,
            timeout: Timeout::Inherited,
            repeatable: false,
            retry: None,
            is_sync: false,
        }
    }

    /// How long a call may run.
    pub(crate) fn time(&self, world: &World) -> Option<u64> {
        match self.timeout {
            Timeout::Inherited => world.timeout,
            Timeout::After(millis) => Some(millis),
            Timeout::Never => None,
        }
    }
}
