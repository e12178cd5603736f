//! One turn of a page: what the model wrote, and what became of its calls.

use std::fmt::{self, Display};

use tool_core::{ErrorCode, ToolResult, Waterfall};

use super::read::{Call, Note, Turn};
use super::text::{Boxed, Escaped, Titled, Tokens, Took, took};

/// A turn, and where it is in the page.
pub(super) struct PageTurn<'a> {
    pub(super) turn: &'a Turn,
    pub(super) index: usize,
    /// When the recording began, microseconds since 1970.
    pub(super) start_us: u64,
}

impl PageTurn<'_> {
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { turn, index, .. } = *self;
        let class = if turn.is_void { r#" class="void""# } else { "" };
        write!(
            f,
            "<section{class} aria-labelledby=\"t{index}\">\n<h2 id=\"t{index}\">"
        )?;
        match turn.number {
            Some(number) => write!(f, "Turn {number}")?,
            None if turn.prompt.is_some() => f.write_str("Prompt")?,
            None if index == 0 => f.write_str("Before the first turn")?,
            None => f.write_str("Between turns")?,
        }
        writeln!(
            f,
            " <small>at {}, {} long</small></h2>",
            took(self.start_us, turn.from_us),
            took(turn.from_us, turn.to_us),
        )?;
        if let Some(prompt) = &turn.prompt {
            Boxed(prompt).fmt(f)?;
        }
        if turn.is_void {
            f.write_str("<p class=\"note\">The service could not read the calls; the model was asked again.</p>\n")?;
        }
        if !turn.notes.is_empty() {
            f.write_str("<ul>\n")?;
            for Note { what, text } in &turn.notes {
                writeln!(
                    f,
                    "<li><span class=\"note\">{what}:</span> {}</li>",
                    Escaped(text)
                )?;
            }
            f.write_str("</ul>\n")?;
        }
        write!(
            f,
            "{}{}{}",
            Titled(3, "Thinking", &turn.thinking),
            Titled(3, "Text", &turn.text),
            Titled(3, "Refusal", &turn.refusal),
        )?;
        if let Some(usage) = &turn.usage {
            writeln!(f, "<p>Tokens: {}</p>", Tokens(usage))?;
        }
        if turn.calls.is_empty() {
            for (name, arguments) in turn.written.values() {
                writeln!(
                    f,
                    "<h3>A call that is not complete: {}</h3>\n{}",
                    Escaped(name),
                    Boxed(arguments)
                )?;
            }
        } else {
            self.timeline(f)?;
            for (position, call) in &turn.calls {
                self.call(f, *position, call)?;
            }
        }
        f.write_str("</section>\n")
    }

    /// When each call waited and ran, as an image and as a table.
    fn timeline(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waterfall = Waterfall::new(&self.turn.results);
        f.write_str("<h3>Timeline</h3>\n<figure tabindex=\"0\">\n")?;
        if !self.turn.results.is_empty() {
            f.write_str(&waterfall.to_svg())?;
        }
        f.write_str(TABLE)?;
        let critical = waterfall.critical_path();
        for (position, call) in &self.turn.calls {
            let name = Escaped(&call.call.name);
            write!(f, "<tr><td>{position}</td><td>{name}</td>")?;
            match self.turn.result(*position) {
                None => f.write_str("<td></td><td></td><td>no result</td><td></td>")?,
                Some(result) => {
                    match result.started() {
                        Some(started) => {
                            let waited = started.saturating_duration_since(result.queued());
                            let ran = result.elapsed();
                            write!(f, "<td>{}</td><td>{}</td>", Took(waited), Took(ran))?;
                        }
                        None => f.write_str("<td></td><td>never</td>")?,
                    }
                    let path = if critical.contains(position) {
                        "yes"
                    } else {
                        ""
                    };
                    write!(f, "<td>{}</td><td>{path}</td>", Code(result))?;
                }
            }
            f.write_str("</tr>\n")?;
        }
        f.write_str(TABLE_END)
    }

    fn call(&self, f: &mut fmt::Formatter<'_>, position: usize, call: &Call) -> fmt::Result {
        let id = format_args!("t{}c{position}", self.index).to_string();
        writeln!(
            f,
            "<section aria-labelledby=\"{id}\">\n<h3 id=\"{id}\">Call {position}: {} <small>{}</small></h3>",
            Escaped(&call.call.name),
            Escaped(&call.call.id),
        )?;
        let result = self.turn.result(position);
        let written = &*call.call.arguments;
        let ran = result.map_or(written, |result| &result.call().arguments);
        Titled(4, "Arguments", written).fmt(f)?;
        if written != ran {
            Titled(4, "Arguments as they ran", ran).fmt(f)?; // a policy edited them
        }
        let repairs = call.repairs.iter();
        list(f, "Repaired", repairs.map(ToString::to_string))?;
        let progress = call.progress.iter().map(|(at_us, progress)| {
            let at = took(self.start_us, *at_us);
            match progress.fraction {
                Some(done) => format!("{at}: {:.0}% {}", done * 100.0, progress.message),
                None => format!("{at}: {}", progress.message),
            }
        });
        list(f, "Progress", progress)?;
        match result {
            None => f.write_str("<p class=\"bad\">The recording has no result of it.</p>\n")?,
            Some(result) => match result.outcome() {
                Ok(output) => Titled(4, "Result", &output.text()).fmt(f)?,
                Err(error) => {
                    writeln!(f, "<h4>Error {}</h4>", Code(result))?;
                    Boxed(error.message_for_model()).fmt(f)?;
                }
            },
        }
        f.write_str("</section>\n")
    }
}

const TABLE: &str = "\
<table>
<thead><tr><th scope=\"col\">Call</th><th scope=\"col\">Tool</th><th scope=\"col\">Waited</th>\
<th scope=\"col\">Ran</th><th scope=\"col\">Outcome</th><th scope=\"col\">Critical path</th></tr></thead>
<tbody>
";

const TABLE_END: &str = "\
</tbody>
</table>
<figcaption>Pale: in the queue. Outlined: on the critical path, what the message waited for.</figcaption>
</figure>
";

fn list(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    texts: impl ExactSizeIterator<Item = String>,
) -> fmt::Result {
    if texts.len() == 0 {
        return Ok(());
    }
    writeln!(f, "<h4>{title}</h4>\n<ul>")?;
    for text in texts {
        writeln!(f, "<li>{}</li>", Escaped(&text))?;
    }
    f.write_str("</ul>\n")
}

/// `ok`, or the code of the error.
struct Code<'a>(&'a ToolResult);

impl Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.outcome().map_err(|error| error.code()) {
            Ok(_) => f.write_str("ok"),
            Err(code @ ErrorCode::Held) => write!(f, "<span class=\"note\">{code}</span>"),
            Err(code) => write!(f, "<span class=\"bad\">{code}</span>"),
        }
    }
}
