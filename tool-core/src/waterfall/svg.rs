//! A batch as an image.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use super::Waterfall;
use super::text::{Millis, Summary};
use super::times::Row;

impl Waterfall {
    /// The timeline as a self-contained SVG image: no scripts, styles or fonts from elsewhere.
    ///
    /// The time a call waited in the queue is pale; a failed call is red and has its code beside
    /// it; the calls of the [critical path](Self::critical_path) are outlined and their names bold.
    /// Each row shows its times as a tooltip. Of more than 500 calls, the first are drawn.
    ///
    /// ```
    /// use tool_core::{Dispatcher, ToolCall, Waterfall, tool, tools};
    ///
    /// /// Add two numbers.
    /// #[tool]
    /// fn add(a: i64, b: i64) -> i64 {
    ///     a + b
    /// }
    ///
    /// let results = Dispatcher::new(tools![add]).dispatch_blocking(vec![ToolCall::new("call_1", "add", r#"{"a": 1, "b": 2}"#)]);
    /// let image = Waterfall::new(&results).to_svg();
    /// assert!(image.starts_with("<svg ") && image.contains(">add</text>"));
    /// ```
    pub fn to_svg(&self) -> String {
        Svg(self).to_string()
    }
}

/// Rows that are drawn.
const MOST: usize = 500;

// All in pixels, for text of 12 of them.
const ROW: usize = 22;
const BAR: usize = 14;
const PADDING: usize = 12;
const CHARACTER: usize = 8;
const BARS: usize = 600;

const INK: &str = "#1f2328";
const RAN: &str = "#2f6fb3";
const FAILED: &str = "#c62f2f";

struct Svg<'a>(&'a Waterfall);

impl fmt::Display for Svg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = &self.0.rows[..self.0.rows.len().min(MOST)];
        let critical: HashSet<_> = self.0.critical_rows().into_iter().collect();
        let labels: Vec<String> = rows.iter().map(Row::label).collect();
        let remarks: Vec<String> = rows.iter().map(remark).collect();
        let left = PADDING + column(&labels);
        let scale = Scale {
            left,
            elapsed: self.0.elapsed,
        };
        let after = left + BARS + PADDING;
        let more = self.0.rows.len() - rows.len();
        let lines = rows.len() + 1 + usize::from(more > 0);
        let (width, height) = (after + column(&remarks), lines * ROW + 2 * PADDING);

        writeln!(
            f,
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="12" fill="{INK}" role="img" aria-label="{}">"#,
            Summary(self.0)
        )?;
        // On a ground of its own, the picture reads the same on a light and on a dark page.
        writeln!(
            f,
            r##"<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>"##
        )?;
        for (place, row) in rows.iter().enumerate() {
            let (top, is_critical) = (PADDING + place * ROW, critical.contains(&place));
            writeln!(f, "<g><title>{}</title>", Escaped(&title(row, is_critical)))?;
            let weight = if is_critical {
                r#" font-weight="bold""#
            } else {
                ""
            };
            writeln!(
                f,
                r#"<text x="{PADDING}" y="{}"{weight}>{}</text>"#,
                top + BAR,
                Escaped(&labels[place])
            )?;
            scale.bars(f, row, top + 3, is_critical)?;
            writeln!(
                f,
                r#"<text x="{after}" y="{}">{}</text></g>"#,
                top + BAR,
                Escaped(&remarks[place])
            )?;
        }
        let mut top = PADDING + rows.len() * ROW;
        if more > 0 {
            writeln!(
                f,
                r#"<text x="{PADDING}" y="{}">and {more} more</text>"#,
                top + BAR
            )?;
            top += ROW;
        }
        writeln!(
            f,
            r#"<text x="{PADDING}" y="{}">{}</text>"#,
            top + BAR,
            Summary(self.0)
        )?;
        f.write_str("</svg>\n")
    }
}

/// The width of the widest text, and the space after it.
fn column(texts: &[String]) -> usize {
    let width = |text: &String| {
        text.chars()
            .map(|c| {
                if c.is_ascii() {
                    CHARACTER
                } else {
                    2 * CHARACTER
                }
            })
            .sum()
    };
    texts.iter().map(width).max().unwrap_or(0) + PADDING
}

/// What is to the right of the bars.
fn remark(row: &Row) -> String {
    match (row.start, row.note) {
        (None, note) => note.to_owned(),
        (Some(_), "") => Millis(row.ran()).to_string(),
        (Some(_), note) => format!("{}  {note}", Millis(row.ran())),
    }
}

fn title(row: &Row, is_critical: bool) -> String {
    let times = match row.start {
        Some(start) => {
            let waited = start.saturating_sub(row.queued);
            format!(
                "waited {}, ran {} from {} to {}",
                Millis(waited),
                Millis(row.ran()),
                Millis(start),
                Millis(row.end)
            )
        }
        None => "never ran".to_owned(),
    };
    let note = if row.note.is_empty() {
        String::new()
    } else {
        format!(", {}", row.note)
    };
    format!(
        "{}: {times}{note}{}",
        row.label(),
        if is_critical {
            ", on the critical path"
        } else {
            ""
        }
    )
}

/// Where a time is drawn.
struct Scale {
    left: usize,
    elapsed: Duration,
}

impl Scale {
    fn x(&self, at: Duration) -> f64 {
        let share = if self.elapsed.is_zero() {
            0.0
        } else {
            at.as_secs_f64() / self.elapsed.as_secs_f64()
        };
        self.left as f64 + share.min(1.0) * BARS as f64
    }

    /// The time in the queue, and the time it ran.
    fn bars(
        &self,
        f: &mut fmt::Formatter<'_>,
        row: &Row,
        top: usize,
        is_critical: bool,
    ) -> fmt::Result {
        const THINNEST: f64 = 1.0;
        let Some(start) = row.start else {
            return Ok(());
        };
        let fill = if row.note.is_empty() { RAN } else { FAILED };
        let (queued, start, end) = (self.x(row.queued), self.x(start), self.x(row.end));
        let wait = start - queued;
        if wait >= THINNEST {
            writeln!(
                f,
                r#"<rect x="{queued:.1}" y="{top}" width="{wait:.1}" height="{BAR}" fill="{fill}" fill-opacity="0.2"/>"#
            )?;
        }
        let outline = if is_critical {
            format!(r#" stroke="{INK}" stroke-width="2""#)
        } else {
            String::new()
        };
        let width = (end - start).max(THINNEST);
        writeln!(
            f,
            r#"<rect x="{start:.1}" y="{top}" width="{width:.1}" height="{BAR}" fill="{fill}"{outline}/>"#
        )
    }
}

/// Text inside of an element; what XML cannot hold is left out.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '\u{fffe}' | '\u{ffff}' => Ok(()),
            c if c.is_control() => Ok(()),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn row(position: usize, name: &str, [queued, start, end]: [u64; 3]) -> Row {
        let [queued, start, end] = [queued, start, end].map(Duration::from_millis);
        Row {
            position,
            name: name.to_owned(),
            queued,
            start: Some(start),
            end,
            note: "",
        }
    }

    /// The attributes of every element of one kind, after a check that all tags match.
    fn elements<'a>(xml: &'a str, kind: &str) -> Vec<&'a str> {
        assert!(
            xml.chars()
                .all(|c| c == '\n' || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')))
        );
        let (mut open, mut found) = (Vec::new(), Vec::new());
        for piece in xml.split('<').skip(1) {
            let (tag, text) = piece.split_once('>').expect("a tag ends");
            assert!(
                !text.contains('>') && tag.matches('"').count() % 2 == 0,
                "{piece}"
            );
            for entity in text.split('&').skip(1).chain(tag.split('&').skip(1)) {
                assert!(
                    ["amp;", "lt;", "gt;"]
                        .iter()
                        .any(|known| entity.starts_with(known)),
                    "{piece}"
                );
            }
            let name = tag.split([' ', '/']).next().unwrap_or_default();
            match tag.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop(), Some(closed)),
                None if tag.ends_with('/') => {}
                None => open.push(name),
            }
            if name == kind {
                found.push(tag);
            }
        }
        assert_eq!(open, [] as [&str; 0]);
        found
    }

    fn number(tag: &str, attribute: &str) -> f64 {
        let (_, rest) = tag.split_once(&format!(" {attribute}=\"")).expect("has it");
        rest.split_once('"')
            .and_then(|(number, _)| number.parse().ok())
            .expect("a number")
    }

    proptest! {
        #[test]
        fn the_image_is_well_formed_and_its_bars_are_inside(
            rows in vec((vec(prop_oneof![any::<char>(), prop::char::range('\0', '@')], 0..50), 0..50_u64, 0..50_u64, 0..50_u64, 0..3), 0..20),
        ) {
            let rows = rows.into_iter().enumerate().map(|(position, (name, queued, wait, run, kind))| {
                let row = row(position, &name.iter().collect::<String>(), [queued, queued + wait, queued + wait + run]);
                match kind {
                    0 => row,
                    1 => Row { note: "tool_error", ..row },
                    _ => Row { note: "not_started", start: None, ..row },
                }
            });
            let waterfall = Waterfall::of_rows(rows.collect());
            let image = waterfall.to_svg();
            prop_assert_eq!(&image, &waterfall.to_svg());
            let svg = elements(&image, "svg")[0];
            for bar in &elements(&image, "rect")[1..] {
                prop_assert!(number(bar, "x") >= PADDING as f64);
                prop_assert!(number(bar, "x") + number(bar, "width") < number(svg, "width"));
                prop_assert!(number(bar, "y") + number(bar, "height") < number(svg, "height"));
            }
            prop_assert_eq!(elements(&image, "title").len(), waterfall.rows.len());
            prop_assert_eq!(image.matches(" stroke=").count(), waterfall.critical_path().len());
        }
    }

    #[test]
    fn bars_show_the_wait_the_run_and_the_failure() {
        let failed = Row {
            note: "timeout",
            ..row(1, "<b>&", [0, 25, 100])
        };
        let unstarted = Row {
            note: "not_started",
            start: None,
            ..row(2, "late", [0, 0, 100])
        };
        let image =
            Waterfall::of_rows(vec![row(0, "work", [0, 0, 25]), failed, unstarted]).to_svg();
        let bars: Vec<_> = elements(&image, "rect")[1..]
            .iter()
            .map(|bar| (number(bar, "width"), bar.contains("opacity")))
            .collect();
        assert_eq!(bars, [(150.0, false), (150.0, true), (450.0, false)]);
        assert!(
            image.contains("<title>&lt;b&gt;&amp;: waited 25 ms, ran 75 ms from 25 ms to 100 ms, timeout, on the critical path</title>")
        );
        assert!(image.contains(">75 ms  timeout</text>") && image.contains(">not_started</text>"));
        assert_eq!(image.matches(FAILED).count(), 2);
    }

    #[test]
    fn only_so_many_rows_are_drawn() {
        let rows = |count| {
            (0..count)
                .map(|position| row(position, "work", [0, 0, 1]))
                .collect()
        };
        let image = Waterfall::of_rows(rows(MOST + 7)).to_svg();
        assert_eq!(elements(&image, "title").len(), MOST);
        assert!(image.contains(">and 7 more</text>"));
        assert!(
            !Waterfall::of_rows(rows(MOST))
                .to_svg()
                .contains(" more</text>")
        );
    }
}
