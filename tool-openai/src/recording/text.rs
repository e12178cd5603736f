//! Text of others, and quantities, as they are shown.

use std::fmt::{self, Display, Write};
use std::time::{Duration, UNIX_EPOCH};

use crate::chat::Usage;

/// Text inside of an element or a quoted attribute. Control characters, and those that reorder what
/// is around them, are shown as signs; of a long text, the beginning is shown.
pub(super) struct Escaped<'a>(pub(super) &'a str);

/// Characters that are shown of a text.
const MOST: usize = 20_000;

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        characters.by_ref().take(MOST).try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => f.write_char(visible(c)),
        })?;
        match characters.count() {
            0 => Ok(()),
            more => write!(f, "… [{more} more characters are not shown]"),
        }
    }
}

fn visible(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(c), // its picture
        '\u{7f}' => '\u{2421}',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// A text in a box; nothing for an empty one.
pub(super) struct Boxed<'a>(pub(super) &'a str);

impl Display for Boxed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// From so many bytes on, the box may scroll: then a keyboard has to reach it.
        const LONG: usize = 1_000;
        let focus = match self.0.len() {
            0 => return Ok(()),
            1..LONG => "",
            _ => r#" tabindex="0""#,
        };
        // A line break behind the tag is no part of the text.
        writeln!(f, "<pre dir=\"auto\"{focus}>\n{}</pre>", Escaped(self.0))
    }
}

/// A text in a box, under a heading of this level; nothing for an empty one.
pub(super) struct Titled<'a>(pub(super) u8, pub(super) &'static str, pub(super) &'a str);

impl Display for Titled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(level, title, text) = *self;
        match text.is_empty() {
            true => Ok(()),
            false => write!(f, "<h{level}>{title}</h{level}>\n{}", Boxed(text)),
        }
    }
}

/// A duration: milliseconds below one second.
pub(super) struct Took(pub(super) Duration);

impl Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs_f64() {
            secs if secs < 1.0 => write!(f, "{:.1} ms", secs * 1e3),
            secs => write!(f, "{secs:.2} s"),
        }
    }
}

/// From one time to another, in microseconds.
pub(super) fn took(from_us: u64, to_us: u64) -> Took {
    Took(Duration::from_micros(to_us.saturating_sub(from_us)))
}

/// Wall time, from microseconds since 1970.
pub(super) struct Date(pub(super) u64);

impl Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The first second of the year 10 000, which has no date.
        const END: u64 = 253_402_300_800;
        match Duration::from_micros(self.0) {
            since if since.as_secs() < END => {
                f.write_str(&httpdate::fmt_http_date(UNIX_EPOCH + since))
            }
            _ => f.write_str("unknown"),
        }
    }
}

pub(super) struct Tokens<'a>(pub(super) &'a Usage);

impl Display for Tokens<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens,
            ..
        } = self.0;
        write!(
            f,
            "{prompt_tokens} in, {completion_tokens} out, {total_tokens} together"
        )
    }
}
