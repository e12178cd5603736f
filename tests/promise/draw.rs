//! Draws worlds.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use crate::world::{
    Arguments, Arrival, Ask, Bounds, Caller, End, Kind, Layered, Message, Mischief, Script,
    SerializeBy, Step, Timeout, Tool, Turn, TurnEnd, Verdict, Word, World,
};

/// Any world: most are small and crowded, some are large.
pub(crate) fn world() -> impl Strategy<Value = World> {
    let limit = prop_oneof![12 => 1..=8_usize, 1 => Just(64)];
    let setup = (
        limit,
        1..=4_usize,
        timeout(),
        bounds(),
        prop::bool::weighted(0.4),
        layered(),
        vec(kind(), 1..4),
    );
    let messages = prop_oneof![
        8 => vec(message(6), 1..4),
        3 => vec(message(16), 1..5),
        1 => vec(message(40), 1..5),
    ];
    (
        setup,
        messages,
        weighted(0.3, 0..200_u64),
        prop::bool::weighted(0.3),
    )
        .prop_map(|(setup, messages, idle, is_calm)| {
            let (limit, threads, timeout, bounds, has_policy, layered, kinds) = setup;
            let mut world = World {
                limit,
                threads,
                timeout,
                bounds,
                has_policy,
                layered,
                idle,
                kinds,
                messages,
            };
            if is_calm {
                world
                    .messages
                    .iter_mut()
                    .flat_map(|message| &mut message.calls)
                    .for_each(calm);
            }
            world
        })
}

fn layered() -> impl Strategy<Value = Layered> {
    prop_oneof![5 => Just(Layered::None), 3 => Just(Layered::All), 2 => Just(Layered::OneTool)]
}

/// Nothing goes wrong with the call, nor with those within it: what is left is order and limits.
fn calm(ask: &mut Ask) {
    ask.arguments = Arguments::Good;
    ask.mischief = Mischief::None;
    ask.script.end = End::Text;
    ask.script.failures = 0;
    ask.script.panics_when_dropped = false;
    ask.word.verdict = Verdict::Allow;
    for step in &mut ask.script.steps {
        match step {
            Step::Dispatch(asks, _) => asks.iter_mut().for_each(calm),
            Step::DispatchTwo(asks) => asks.iter_mut().flatten().for_each(calm),
            Step::Sleep(_) | Step::Yield => {}
        }
    }
}

fn timeout() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![4 => (20..400_u64).prop_map(Some), 2 => Just(Some(2000)), 1 => Just(None)]
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let calls = prop_oneof![8 => Just(1024), 1 => 0..10_usize];
    let queue = prop_oneof![8 => Just(16_384), 1 => 0..10_usize];
    let nesting = prop_oneof![6 => Just(8), 1 => 0..3_usize];
    let output_bytes = prop_oneof![Just(256 << 10), Just(400)];
    let batch_output_bytes = prop_oneof![4 => Just(4 << 20), 1 => 0..2000_usize];
    (
        calls,
        queue,
        nesting,
        output_bytes,
        batch_output_bytes,
        (
            prop_oneof![2 => 50..500_u64, 1 => Just(5000)],
            prop::bool::ANY,
        ),
    )
        .prop_map(
            |(calls, queue, nesting, output_bytes, batch_output_bytes, (queue_time, all_slow))| {
                Bounds {
                    calls,
                    queue,
                    nesting,
                    output_bytes,
                    batch_output_bytes,
                    queue_time,
                    all_slow,
                }
            },
        )
}

fn kind() -> impl Strategy<Value = Kind> {
    let serialize_by = prop_oneof![
        4 => Just(SerializeBy::Nothing),
        2 => Just(SerializeBy::Bed),
        1 => Just(SerializeBy::Room),
        1 => Just(SerializeBy::Both),
    ];
    let timeout = prop_oneof![4 => Just(Timeout::Inherited), 3 => (1..300_u64).prop_map(Timeout::After), 1 => Just(Timeout::Never)];
    let retry = prop_oneof![4 => Just((false, None)), 1 => Just((true, None)), 2 => (1..4_u32, 1..50_u64).prop_map(|retry| (true, Some(retry)))];
    (
        weighted(0.4, 1..4_usize),
        prop::bool::weighted(0.15),
        serialize_by,
        timeout,
        retry,
    )
        .prop_map(
            |(concurrency, exclusive, serialize_by, timeout, (repeatable, retry))| Kind {
                concurrency,
                exclusive,
                serialize_by,
                timeout,
                repeatable,
                retry,
                is_sync: false,
            },
        )
}

fn message(most: usize) -> impl Strategy<Value = Message> {
    let at = prop_oneof![2 => Just(0), 3 => 0..60_u64];
    (at, caller(), vec(ask(), 0..=most)).prop_map(|(at, caller, calls)| Message {
        at,
        caller,
        calls,
    })
}

fn caller() -> impl Strategy<Value = Caller> {
    prop_oneof![
        6 => Just(Caller::Awaits),
        2 => (0..300_u64).prop_map(Caller::Drops),
        2 => (1..4_u32, 0..500_u64).prop_map(|(polls, pause)| Caller::Stalls(polls, pause)),
        2 => (0..100_u64).prop_map(Caller::Reads),
        1 => (0..50_u64, 0..300_u64).prop_map(|(pause, after)| Caller::ReadsAndDrops(pause, after)),
        4 => turn().prop_map(Caller::Turn),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    let pause = || prop_oneof![3 => Just(0), 2 => 0..40_u64];
    let arrival = prop_oneof![
        6 => Just(Arrival::Whole),
        4 => (0..80_u64).prop_map(Arrival::Later),
        1 => (0..80_u64).prop_map(Arrival::CutOff),
        1 => Just(Arrival::Never),
    ];
    let end = prop_oneof![4 => Just(TurnEnd::Finishes), 1 => Just(TurnEnd::Reads), 1 => Just(TurnEnd::Cancels), 1 => Just(TurnEnd::Drops)];
    (vec((pause(), arrival), 1..6), 0..200_u64, end).prop_map(|(arrivals, rest, end)| Turn {
        arrivals,
        rest,
        end,
    })
}

/// A call, whose tool makes calls itself now and then.
fn ask() -> impl Strategy<Value = Ask> {
    let leaf = ask_with(prop_oneof![5 => sleep(), 1 => Just(Step::Yield)].boxed());
    leaf.prop_recursive(4, 24, 4, |inner| {
        let patience = weighted(0.2, 0..100_u64);
        let dispatch = (vec(inner.clone(), 0..4), patience)
            .prop_map(|(calls, patience)| Step::Dispatch(calls, patience));
        let two = [vec(inner.clone(), 0..3), vec(inner, 0..3)].prop_map(Step::DispatchTwo);
        ask_with(prop_oneof![6 => sleep(), 2 => Just(Step::Yield), 5 => dispatch, 1 => two].boxed())
    })
}

fn sleep() -> impl Strategy<Value = Step> {
    prop_oneof![6 => 0..60_u64, 1 => 0..1000_u64].prop_map(Step::Sleep)
}

fn ask_with(step: BoxedStrategy<Step>) -> BoxedStrategy<Ask> {
    let script = (
        prop_oneof![8 => Just(0), 1 => 1..4_u32],
        vec(step, 0..4),
        end(),
        prop::bool::weighted(0.03),
    );
    let script = script.prop_map(|(failures, steps, end, panics_when_dropped)| Script {
        failures,
        steps,
        end,
        panics_when_dropped,
    });
    (
        tool(),
        arguments(),
        0..3_u8,
        0..2_u8,
        script,
        word(),
        mischief(),
    )
        .prop_map(|(tool, arguments, bed, room, script, word, mischief)| Ask {
            tool,
            arguments,
            bed,
            room,
            script,
            word,
            mischief,
        })
        .boxed()
}

fn tool() -> impl Strategy<Value = Tool> {
    prop_oneof![
        14 => (0..3_usize).prop_map(Tool::Drawn),
        3 => Just(Tool::Answer),
        2 => Just(Tool::Block),
        1 => Just(Tool::BlockInTurn),
        1 => Just(Tool::BlockAlone),
        1 => Just(Tool::BlockForBed),
        1 => Just(Tool::Unknown),
    ]
}

fn arguments() -> impl Strategy<Value = Arguments> {
    prop_oneof![
        40 => Just(Arguments::Good),
        1 => Just(Arguments::NotJson),
        1 => Just(Arguments::NoObject),
        1 => Just(Arguments::WrongType),
        1 => Just(Arguments::TooLong),
        1 => Just(Arguments::TooDeep),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        20 => Just(End::Text),
        1 => (0..2000_usize).prop_map(End::Long),
        2 => Just(End::Error),
        1 => Just(End::Fatal),
        1 => Just(End::BadArguments),
        1 => Just(End::Panic),
        1 => Just(End::PanicWhenShown),
        1 => Just(End::PanicWhenWritten),
        1 => Just(End::Unwritable),
        2 => Just(End::Never),
    ]
}

fn word() -> impl Strategy<Value = Word> {
    let verdict = prop_oneof![
        12 => Just(Verdict::Allow),
        1 => Just(Verdict::Refuse),
        2 => (0..3_u8).prop_map(Verdict::Edit),
        1 => Just(Verdict::EditBadly),
        2 => prop::bool::weighted(0.8).prop_map(|allowed| Verdict::Hold { allowed }),
        1 => Just(Verdict::Panic),
        1 => Just(Verdict::Hang),
    ];
    (prop_oneof![2 => Just(0), 1 => 0..50_u64], verdict)
        .prop_map(|(after, verdict)| Word { after, verdict })
}

fn mischief() -> impl Strategy<Value = Mischief> {
    prop_oneof![
        12 => Just(Mischief::None),
        1 => (0..50_u64).prop_map(Mischief::Wait),
        1 => Just(Mischief::Panic),
        1 => Just(Mischief::Never),
        1 => Just(Mischief::Again),
        1 => Just(Mischief::Twice),
        1 => Just(Mischief::Swallow),
        1 => (0..50_u64).prop_map(Mischief::GiveUp),
    ]
}
