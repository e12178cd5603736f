//! What the model writes for a call, and what may come of it.

use serde_json::{Value, json};
use tool_openai::Profile;

use super::plan::{Arguments, Call, Id, Name, Reopens, Turn};
use super::tools::starts_early;

/// A call as it is on the wire.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) id: Option<String>,
    pub(super) name: String,
    /// Arguments, or the input of a custom tool.
    pub(super) text: String,
    pub(super) custom: bool,
    /// What comes after the call was complete.
    pub(super) more: Option<(Reopens, String)>,
    /// Whether the model wrote it to its end.
    pub(super) whole: bool,
    /// Whether it may run the tool that takes nothing.
    pub(super) nothing: bool,
    /// The numbers in it.
    pub(super) numbers: Vec<Number>,
    /// Whether every tool in it may start before the message is over.
    pub(super) early: bool,
}

/// What may come of the tool with a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    pub(super) n: u32,
    pub(super) tool: &'static str,
    pub(super) fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It runs if nothing is in the way.
    Runs,
    /// It may run, or be answered with an error.
    MayRun,
    Never,
}

/// The calls of a message of the script.
pub(super) fn calls(turn: &Turn, at: usize) -> Vec<Wire> {
    let last = turn.calls.len().saturating_sub(1);
    let is_cut = matches!(turn.finish, Some("length" | "content_filter"));
    turn.calls
        .iter()
        .enumerate()
        .map(|(position, call)| wire(call, at, position, is_cut && position == last))
        .collect()
}

fn wire(call: &Call, at: usize, position: usize, is_cut: bool) -> Wire {
    let n = u32::try_from((at + 1) * 1000 + (position + 1) * 10).unwrap();
    let (name, tools) = name(&call.name);
    let custom = call.name == Name::Custom;
    let (text, fate) = match &call.name {
        Name::Custom => (
            format!("#{n}."),
            if is_cut { Fate::Never } else { Fate::Runs },
        ),
        Name::Wrapper(tools) => {
            let uses = |(inner, tool): (usize, &&str)| json!({"recipient_name": format!("functions.{tool}"), "parameters": {"n": n + u32::try_from(inner).unwrap(), "millis": call.millis}});
            let text = json!({"tool_uses": tools.iter().enumerate().map(uses).collect::<Vec<_>>()})
                .to_string();
            match call.arguments {
                Arguments::Cut(bytes) => {
                    (text[..bytes.min(text.len() - 1)].to_owned(), Fate::Never)
                }
                _ => (text, Fate::Runs),
            }
        }
        _ => arguments(call, n),
    };
    let fate = if tools.is_empty() && !custom {
        Fate::Never
    } else {
        fate
    };
    let whole = !matches!(call.arguments, Arguments::Cut(_)) || custom;
    let whole = whole
        && !(is_cut
            && (custom
                || matches!(
                    call.arguments,
                    Arguments::Empty | Arguments::Null | Arguments::Blank
                )));
    let more = call
        .reopens
        .filter(|_| whole && !custom && matches!(call.arguments, Arguments::Good))
        .map(|reopens| (reopens, more(reopens, &text, n)));
    let fate = if more.is_some() && fate == Fate::Runs {
        Fate::MayRun
    } else {
        fate
    };
    let tools = if custom { vec!["memo"] } else { tools };
    let nothing = call.name == Name::Plain("nothing");
    let takes_none = [
        Arguments::Good,
        Arguments::Null,
        Arguments::Empty,
        Arguments::Blank,
    ]
    .contains(&call.arguments);
    let early = tools.iter().all(|tool| starts_early(tool));
    let tools = if nothing { Vec::new() } else { tools };
    let numbers = tools.iter().enumerate().map(|(inner, tool)| Number {
        n: n + u32::try_from(inner).unwrap(),
        tool,
        fate,
    });
    Wire {
        id: id(if custom { Id::Own } else { call.id }, at, position),
        name,
        text,
        custom,
        more,
        whole,
        nothing: nothing && whole && takes_none,
        numbers: numbers.collect(),
        early,
    }
}

fn id(id: Id, at: usize, position: usize) -> Option<String> {
    Some(match id {
        Id::Own => format!("call_{at}_{position}"),
        Id::Same => "same".to_owned(),
        Id::Missing => return None,
        Id::Kimi => format!("functions.look:{position}"),
        Id::Stolen(turn, position) => Profile::portable().invented_id(turn, position),
        Id::Long => format!("{at}_{position}_{}", "x".repeat(36)),
    })
}

/// The name as it is written, and the tools it means.
fn name(name: &Name) -> (String, Vec<&'static str>) {
    match name {
        Name::Plain(tool) => ((*tool).to_owned(), vec![tool]),
        Name::Prefixed(tool) => (format!("functions.{tool}"), vec![tool]),
        Name::Suffixed(tool) => (format!("{tool}:0"), vec![tool]),
        Name::Padded(tool) => (format!(" {tool}\n"), vec![tool]),
        Name::Wrapper(tools) => ("multi_tool_use.parallel".to_owned(), tools.clone()),
        Name::Custom => ("memo".to_owned(), Vec::new()),
        Name::Unknown => ("nobody".to_owned(), Vec::new()),
        Name::Illegal => ("no such.tool!".to_owned(), Vec::new()),
        Name::Empty => (String::new(), Vec::new()),
        Name::Long => ("n".repeat(100), Vec::new()),
    }
}

fn arguments(call: &Call, n: u32) -> (String, Fate) {
    let millis = call.millis;
    let good = json!({"n": n, "millis": millis}).to_string();
    let (text, fate) = match call.arguments {
        Arguments::Good => (good, Fate::Runs),
        Arguments::NullForOptional => (json!({"n": n, "millis": null}).to_string(), Fate::Runs),
        Arguments::Fenced => (format!("```json\n{good}\n```"), Fate::Runs),
        Arguments::Repeated => (format!("{good}{good}"), Fate::Runs),
        Arguments::LeadingEmpty => (format!("{{}}{good}"), Fate::MayRun),
        Arguments::Distinct => (format!("{good}{}", json!({"n": n + 5})), Fate::MayRun),
        Arguments::Malformed => (format!("{{\"n\": {n}, oops}}"), Fate::Never),
        Arguments::WrongType => (json!({"n": format!("x{n}")}).to_string(), Fate::Never),
        Arguments::Unknown => (json!({"n": n, "zeal": 1}).to_string(), Fate::Never),
        Arguments::RepeatedProperty => (format!("{{\"n\": {n}, \"n\": {}}}", n + 5), Fate::Never),
        Arguments::Null => ("null".to_owned(), Fate::Never),
        Arguments::Empty => (String::new(), Fate::Never),
        Arguments::Blank => (" \n ".to_owned(), Fate::Never),
        Arguments::List => (format!("[{good}]"), Fate::Never),
        Arguments::Trailing => (format!("{good} and so on"), Fate::Never),
        Arguments::Cut(bytes) => (good[..bytes.min(good.len() - 1)].to_owned(), Fate::Never),
    };
    if call.name == Name::Plain("nothing") && call.arguments == Arguments::Good {
        ("{}".to_owned(), fate)
    } else {
        (text, fate)
    }
}

fn more(reopens: Reopens, text: &str, n: u32) -> String {
    match reopens {
        Reopens::Same => text.to_owned(),
        Reopens::Distinct => json!({"n": n + 5}).to_string(),
        Reopens::Garbage => " oops".to_owned(),
        Reopens::Space => "\n  ".to_owned(),
        Reopens::Unfinished => "{\"n\": ".to_owned(),
    }
}

impl Wire {
    /// What the whole message has in the end.
    pub(super) fn total(&self) -> String {
        self.more.as_ref().map_or_else(
            || self.text.clone(),
            |(_, more)| format!("{}{more}", self.text),
        )
    }

    /// As an entry of `tool_calls`, with this text.
    pub(super) fn json(&self, text: &str) -> Value {
        let mut call = if self.custom {
            json!({"type": "custom", "custom": {"name": self.name, "input": text}})
        } else {
            json!({"type": "function", "function": {"name": self.name, "arguments": text}})
        };
        if let Some(id) = &self.id {
            call["id"] = json!(id);
        }
        call
    }
}

/// The numbers that a text has as `"n"` or `#`.
pub(super) fn numbers(text: &str) -> Vec<u32> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let parts = text.split("\"n\":").skip(1).chain(text.split('#').skip(1));
    parts
        .filter_map(|part| {
            part[..part
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(part.len())]
                .parse()
                .ok()
        })
        .collect()
}
