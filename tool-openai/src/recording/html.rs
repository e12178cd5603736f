//! From what happened to a page.

use std::fmt::{self, Display};

use tool_core::{ErrorCode, HeldFor};

use super::read::{End, Recording, Turn};
use super::text::{Boxed, Date, Escaped, Titled, Tokens, took};
use super::turn::PageTurn;
use crate::agent::{Outcome, Reply, Suspended};
use crate::chat::Usage;

/// The page of a recording.
///
/// What others wrote is in elements, by [`Escaped`], and in no attribute.
pub(super) struct Page<'a>(pub(super) &'a Recording);

impl Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(recording) = self;
        f.write_str(concat!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
            "<title>Agent run</title>\n<style>\n",
            include_str!("style.css"),
            "</style>\n</head>\n<body>\n",
        ))?;
        header(f, recording)?;
        f.write_str("<main>\n")?;
        for (index, turn) in recording.turns.iter().enumerate() {
            let page_turn = PageTurn {
                turn,
                index,
                start_us: recording.from_us,
            };
            page_turn.write(f)?;
            match &turn.end {
                Some(end) => write_end(f, end, turn)?,
                None if index + 1 == recording.turns.len() => f.write_str(NO_END)?,
                None => {}
            }
        }
        f.write_str("</main>\n</body>\n</html>\n")
    }
}

const NO_END: &str = "<section>\n<h2>No end</h2>\n<p class=\"bad\">The recording stops here: the run was not over, or its end was not recorded.</p>\n</section>\n";

fn header(f: &mut fmt::Formatter<'_>, recording: &Recording) -> fmt::Result {
    let turns = &recording.turns;
    let end = match turns.last().map(|turn| turn.end.as_ref()) {
        None => "The recording is empty",
        Some(None) => "The recording stops before the end of the run",
        Some(Some(end)) => summary(end),
    };
    let numbered = turns.iter().filter(|turn| turn.number.is_some());
    let calls: usize = turns.iter().map(|turn| turn.calls.len()).sum();
    let results = || turns.iter().flat_map(|turn| &turn.results);
    let codes = || results().filter_map(|result| Some(result.outcome().err()?.code()));
    let held = codes().filter(|code| *code == ErrorCode::Held).count();
    let failed = codes().count() - held;
    let mut usage = Usage::default();
    for turn in turns {
        usage += turn.usage.as_ref().unwrap_or(&Usage::default());
    }
    writeln!(f, "<header>\n<h1>Agent run</h1>\n<dl>")?;
    row(f, "End", end)?;
    if recording.events > 0 {
        row(f, "Began", Date(recording.from_us))?;
        row(f, "Took", took(recording.from_us, recording.to_us))?;
    }
    row(f, "Turns", numbered.count())?;
    row(
        f,
        "Calls",
        format_args!("{calls} ({failed} failed, {held} held)"),
    )?;
    row(f, "Tokens", Tokens(&usage))?;
    row(f, "Events", recording.events)?;
    f.write_str("</dl>\n")?;
    if recording.lacks_content {
        f.write_str("<p class=\"note\">Texts, arguments and results were not recorded.</p>\n")?;
    }
    if recording.is_cut {
        f.write_str(
            "<p class=\"note\">The last line of the recording is cut short; it is left out.</p>\n",
        )?;
    }
    f.write_str("</header>\n")
}

fn row(f: &mut fmt::Formatter<'_>, term: &str, value: impl Display) -> fmt::Result {
    writeln!(f, "<dt>{term}</dt><dd>{value}</dd>")
}

/// How a run ended, in a few words.
fn summary(end: &End) -> &'static str {
    match end {
        End::Failed(_) => "An error",
        End::Replied(reply) => match reply.outcome {
            Outcome::Finished => "A reply",
            Outcome::Stopped => "Stopped by a condition of the program",
            Outcome::Suspended(_) => "Suspended: calls are held",
        },
    }
}

fn write_end(f: &mut fmt::Formatter<'_>, end: &End, turn: &Turn) -> fmt::Result {
    writeln!(f, "<section>\n<h2>End</h2>\n<p>{}</p>", summary(end))?;
    match end {
        End::Failed(failure) => {
            writeln!(f, "<p class=\"bad\">{}</p>", Escaped(&failure.kind))?;
            Boxed(&failure.message).fmt(f)?;
        }
        End::Replied(reply) => write_reply(f, reply, turn)?,
    }
    f.write_str("</section>\n")
}

fn write_reply(f: &mut fmt::Formatter<'_>, reply: &Reply, turn: &Turn) -> fmt::Result {
    f.write_str("<dl>\n")?;
    row(f, "Turns of the run", reply.turns)?;
    row(f, "Tokens of the run", Tokens(&reply.usage))?;
    for (term, value) in [
        ("Finish reason", &reply.finish_reason),
        ("Request id", &reply.request_id),
    ] {
        if let Some(value) = value {
            row(f, term, Escaped(value))?;
        }
    }
    f.write_str("</dl>\n")?;
    if reply.text != turn.text {
        Titled(3, "Reply", &reply.text).fmt(f)?;
    }
    match &reply.outcome {
        Outcome::Suspended(suspended) => write_held(f, suspended),
        _ => Ok(()),
    }
}

fn write_held(f: &mut fmt::Formatter<'_>, suspended: &Suspended) -> fmt::Result {
    f.write_str("<h3>Held calls</h3>\n<ul>\n")?;
    for result in suspended.results() {
        let (position, name) = (result.position(), Escaped(result.name()));
        match result.held_for() {
            None => {}
            Some(HeldFor::Earlier(earlier)) => {
                writeln!(
                    f,
                    "<li>Call {position}, {name}: waits for call {earlier}</li>"
                )?;
            }
            Some(_) => writeln!(f, "<li>Call {position}, {name}: waits for a decision</li>")?,
        }
    }
    f.write_str("</ul>\n")
}
