//! Clean streams, rewritten as one service or another would have sent them: the calls stay the
//! same.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A call as a clean stream has it.
#[derive(Clone, Debug)]
struct Plain {
    name: String,
    arguments: String,
    /// Where its arguments are cut.
    cuts: Vec<Index>,
}

/// A piece of a call on its way; `None` is left out.
#[derive(Clone, Debug, Default)]
struct Piece {
    call: usize,
    index: Option<usize>,
    id: Option<String>,
    name: Option<String>,
    arguments: String,
}

impl Piece {
    fn json(&self) -> Value {
        let mut piece = json!({"function": {"arguments": self.arguments}});
        if let Some(index) = self.index {
            piece["index"] = json!(index);
        }
        if let Some(id) = &self.id {
            piece["id"] = json!(id);
            piece["type"] = json!("function");
        }
        if let Some(name) = &self.name {
            piece["function"]["name"] = json!(name);
        }
        piece
    }
}

/// Pieces by delta.
type Deltas = Vec<Vec<Piece>>;

fn id(call: usize) -> String {
    format!("call_{call}")
}

/// The order of the specification: a piece that opens, and pieces of arguments.
fn clean(calls: &[Plain]) -> Deltas {
    let mut deltas = Vec::new();
    for (call, plain) in calls.iter().enumerate() {
        let opening = Piece {
            call,
            index: Some(call),
            id: Some(id(call)),
            name: Some(plain.name.clone()),
            arguments: String::new(),
        };
        deltas.push(vec![opening]);
        for arguments in cut(&plain.arguments, &plain.cuts) {
            deltas.push(vec![Piece {
                call,
                index: Some(call),
                arguments,
                ..Piece::default()
            }]);
        }
    }
    deltas
}

fn cut(text: &str, cuts: &[Index]) -> Vec<String> {
    let ends: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
    let mut at: Vec<_> = cuts
        .iter()
        .map(|cut| *cut.get(&ends))
        .chain([0, text.len()])
        .collect();
    at.sort_unstable();
    at.dedup();
    at.windows(2)
        .map(|ends| text[ends[0]..ends[1]].to_owned())
        .collect()
}

/// Each call in one piece.
fn whole(calls: &[Plain]) -> Vec<Piece> {
    let whole = |(call, plain): (usize, &Plain)| Piece {
        call,
        index: Some(call),
        id: Some(id(call)),
        name: Some(plain.name.clone()),
        arguments: plain.arguments.clone(),
    };
    calls.iter().enumerate().map(whole).collect()
}

fn each(deltas: Deltas, change: impl Fn(&mut Piece)) -> Deltas {
    let changed = |mut piece: Piece| {
        change(&mut piece);
        piece
    };
    deltas
        .into_iter()
        .map(|pieces| pieces.into_iter().map(changed).collect())
        .collect()
}

/// One piece of each call in turn.
fn interleaved(calls: &[Plain]) -> Deltas {
    let mut places = vec![0; calls.len()];
    let mut deltas: Vec<_> = clean(calls)
        .into_iter()
        .map(|pieces| {
            let call = pieces[0].call;
            places[call] += 1;
            (places[call], call, pieces)
        })
        .collect();
    deltas.sort_by_key(|(place, call, _)| (*place, *call));
    deltas.into_iter().map(|(_, _, pieces)| pieces).collect()
}

/// After each call, or after all of them, the whole of it again.
fn flushed(calls: &[Plain], at_the_end: bool) -> Deltas {
    let again = whole(calls);
    let mut deltas = Vec::new();
    for piece in clean(calls) {
        let call = piece[0].call;
        let before: Option<usize> = deltas.last().map(|pieces: &Vec<Piece>| pieces[0].call);
        if let Some(before) = before.filter(|before| *before != call && !at_the_end) {
            deltas.push(vec![again[before].clone()]);
        }
        deltas.push(piece);
    }
    let rest = if at_the_end { 0 } else { calls.len() - 1 };
    deltas.extend(again.into_iter().skip(rest).map(|piece| vec![piece]));
    deltas
}

/// Each piece with an index of its own.
fn counted(deltas: Deltas) -> Deltas {
    let mut deltas = deltas;
    for (index, piece) in deltas.iter_mut().flatten().enumerate() {
        piece.index = Some(index);
    }
    deltas
}

/// Every rewriting, by its name, and whether ids come through.
fn rewritings(calls: &[Plain]) -> Vec<(&'static str, bool, Deltas)> {
    let repeat = |piece: &mut Piece| {
        piece.id = Some(id(piece.call));
        piece.name = Some(calls[piece.call].name.clone());
    };
    let no_index = |piece: &mut Piece| piece.index = None;
    let index_0 = |piece: &mut Piece| piece.index = Some(0);
    let no_id = |piece: &mut Piece| piece.id = None;
    let empty_id = |piece: &mut Piece| piece.id = Some(String::new());
    let clean = || clean(calls);
    let by_call = || {
        whole(calls)
            .into_iter()
            .map(|piece| vec![piece])
            .collect::<Deltas>()
    };
    vec![
        ("clean", true, clean()),
        ("no index", true, each(clean(), no_index)),
        ("index 0", true, each(clean(), index_0)),
        ("id and name repeated", true, each(clean(), repeat)),
        (
            "id and name repeated, index 0",
            true,
            each(each(clean(), repeat), index_0),
        ),
        (
            "id and name repeated, no index",
            true,
            each(each(clean(), repeat), no_index),
        ),
        ("empty ids", false, each(clean(), empty_id)),
        (
            "index 0, empty ids",
            false,
            each(each(clean(), index_0), empty_id),
        ),
        ("neither", false, each(each(clean(), no_index), no_id)),
        (
            "indices far apart",
            true,
            each(clean(), |piece| {
                piece.index = Some(7 + 1_000_000_007 * piece.call);
            }),
        ),
        (
            "indices backwards",
            true,
            each(clean(), |piece| piece.index = Some(1_000 - piece.call)),
        ),
        ("an index for each piece", true, counted(clean())),
        (
            "an index for each piece, no ids",
            false,
            counted(each(clean(), no_id)),
        ),
        ("all in one delta", true, vec![whole(calls)]),
        ("one delta for each call", true, by_call()),
        (
            "one delta for each call, index 0, no id",
            false,
            each(each(by_call(), index_0), no_id),
        ),
        (
            "one delta for each call, neither",
            false,
            each(each(by_call(), no_index), no_id),
        ),
        (
            "one id for all",
            false,
            each(clean(), |piece| {
                piece.id = piece.id.as_ref().map(|_| "x".to_owned());
            }),
        ),
        (
            "one id for all, always there",
            false,
            each(clean(), |piece| piece.id = Some("x".to_owned())),
        ),
        ("interleaved", true, interleaved(calls)),
        (
            "interleaved, ids repeated",
            true,
            each(each(interleaved(calls), repeat), no_index),
        ),
        ("flushed after each", true, flushed(calls, false)),
        (
            "flushed after each, index 0",
            true,
            each(flushed(calls, false), index_0),
        ),
        ("flushed at the end", true, flushed(calls, true)),
        (
            "flushed at the end, no index",
            true,
            each(flushed(calls, true), no_index),
        ),
    ]
}

fn text(deltas: &Deltas, newline: &str, finish_apart: bool) -> String {
    let mut text = format!(": a comment{newline}{newline}");
    for (at, delta) in deltas.iter().enumerate() {
        let pieces: Vec<_> = delta.iter().map(Piece::json).collect();
        let mut chunk = pieces_of(pieces);
        if at + 1 == deltas.len() && !finish_apart {
            chunk["choices"][0]["finish_reason"] = json!("tool_calls");
        }
        text += &format!("data: {chunk}{newline}{newline}: again{newline}");
    }
    if finish_apart {
        text += &format!(
            "event: message{newline}data:{}{newline}{newline}",
            finish("tool_calls")
        );
    }
    text + &format!("data: [DONE]{newline}{newline}")
}

fn pieces_of(entries: Vec<Value>) -> Value {
    pieces(Value::Array(entries))
}

/// What happens to a body that comes in parts of these sizes, again and again.
fn assemble(body: &str, sizes: &[usize]) -> (Vec<ModelEvent>, Completion) {
    let mut assembler = ChatAssembler::new();
    let (mut events, mut rest) = (Vec::new(), body.as_bytes());
    for size in sizes.iter().cycle() {
        let (part, after) = rest.split_at((*size).min(rest.len()));
        events.extend(assembler.push_bytes(part).unwrap());
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    (events, assembler.finish().unwrap())
}

fn plain() -> impl Strategy<Value = Plain> {
    let arguments = prop_oneof![
        1 => Just("{}".to_owned()),
        2 => ("[a-zé{}\\[\\]\"\\\\😀 \n]{0,8}", any::<i16>()).prop_map(|(text, number)| json!({"text": text, "n": [number]}).to_string()),
        1 => "[{}\"]{0,4}".prop_map(|text| json!([{ "nested": text }, {}]).to_string().replace('[', "{\"in\":[").replace(']', "]}")),
    ];
    let name = prop_oneof![Just("add"), Just("get")].prop_map(str::to_owned);
    (name, arguments, prop::collection::vec(any::<Index>(), 0..6)).prop_map(
        |(name, arguments, cuts)| Plain {
            name,
            arguments,
            cuts,
        },
    )
}

/// Messages in which no call follows its like: where ids and indices are gone, nothing
/// distinguishes that from a repetition.
fn messages() -> impl Strategy<Value = Vec<Plain>> {
    prop::collection::vec(plain(), 1..6).prop_map(|mut calls| {
        calls.dedup_by(|one, other| one.name == other.name && one.arguments == other.arguments);
        calls
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))] // of 23 streams each

    #[test]
    fn rewriting_a_stream_changes_no_call(
        calls in messages(),
        newline in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        finish_apart: bool,
        sizes in prop::collection::vec(1..50usize, 1..20),
    ) {
        for (rewriting, keeps_ids, deltas) in rewritings(&calls) {
            let body = text(&deltas, newline, finish_apart);
            let (events, completion) = assemble(&body, &[body.len()]);
            let found = &completion.choices[0].message.tool_calls;
            let found: Vec<_> = found.iter().map(|call| (call.function.name.as_str(), call.function.arguments.as_str())).collect();
            let meant: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.arguments.as_str())).collect();
            prop_assert_eq!(found, meant, "{}: {}", rewriting, body);
            if keeps_ids {
                let ids = completion.choices[0].message.tool_calls.iter().map(|call| call.id.clone());
                prop_assert_eq!(ids.collect::<Vec<_>>(), (0..calls.len()).map(id).collect::<Vec<_>>(), "{}", rewriting);
            }
            check_events(&events, &completion);
            prop_assert_eq!((events, completion), assemble(&body, &sizes), "{}", rewriting);
        }
    }
}

#[test]
fn a_stream_may_be_cut_at_every_byte() {
    let of = |name: &str, arguments: &str| Plain {
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        cuts: Vec::new(),
    };
    let calls = [
        of("add", "{\"é\":\"😀\"}"),
        of("get", "{}"),
        of("get", "{\"a\":[1]}"),
    ];
    for newline in ["\n", "\r\n", "\r"] {
        let body = text(&clean(&calls), newline, true);
        let expected = assemble(&body, &[body.len()]);
        assert_eq!(expected, assemble(&body, &[1]));
        for cut in 1..body.len() {
            assert_eq!(assemble(&body, &[cut, body.len()]), expected);
        }
    }
}

#[test]
fn one_by_one_each_call_is_complete_when_the_next_begins() {
    let of = |name: &str| Plain {
        name: name.to_owned(),
        arguments: "{\"a\":1}".to_owned(),
        cuts: Vec::new(),
    };
    let mut assembler = ChatAssembler::new();
    let mut reported = Vec::new();
    for (at, delta) in clean(&[of("add"), of("get"), of("add")]).iter().enumerate() {
        let events = assembler
            .push(pieces_of(delta.iter().map(Piece::json).collect()))
            .unwrap();
        reported.extend(complete(&events).into_iter().map(|position| (at, position)));
    }
    assert_eq!(reported, [(2, 0), (4, 1)]);
    assert_eq!(
        complete(&assembler.push(finish("tool_calls")).unwrap()),
        [2]
    );
}

/// A call whose arguments come as objects: in each some members, the last value of which counts.
fn in_objects() -> impl Strategy<Value = Vec<Vec<(u8, u8)>>> {
    prop::collection::vec(prop::collection::vec((0..4_u8, 0..9_u8), 0..3), 1..5)
}

fn object(members: &[(u8, u8)]) -> Value {
    let member = |(key, value): &(u8, u8)| (format!("k{key}"), json!(value));
    Value::Object(members.iter().map(member).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn objects_in_one_slot_are_one_and_never_complete_early(
        calls in prop::collection::vec(in_objects(), 1..4),
        has_ids in any::<bool>(),
        counts in any::<bool>(),
    ) {
        let (mut chunks, mut index) = (Vec::new(), 0);
        for (call, objects) in calls.iter().enumerate() {
            for (at, members) in objects.iter().enumerate() {
                let mut piece = json!({"index": index, "function": {"arguments": object(members)}});
                if at == 0 || has_ids {
                    piece["id"] = json!(id(call));
                }
                if at == 0 {
                    piece["function"]["name"] = json!("add");
                }
                chunks.push(pieces(json!([piece])));
                let is_last = at + 1 == objects.len();
                index += usize::from(is_last || counts && !has_ids);
            }
        }
        let ends = chunks.len();
        chunks.push(finish("tool_calls"));
        let mut assembler = ChatAssembler::new();
        for (at, chunk) in chunks.into_iter().enumerate() {
            let events = assembler.push(chunk).unwrap();
            prop_assert!(at == ends || complete(&events).is_empty());
        }
        let completion = assembler.finish().unwrap();
        let expected: Vec<Value> = calls.iter().map(|objects| object(&objects.concat())).collect();
        let made: Vec<Value> = super::calls(&completion)
            .into_iter()
            .map(|(_, _, arguments)| tool_core::serde_json::from_str(arguments).unwrap())
            .collect();
        prop_assert_eq!(made, expected);
    }
}
