//! The two pictures: the timeline of a run, and where a laboratory result is in its reference range.

use maud::{Markup, html};

use crate::view::{Call, Span, View};

const WIDTH: i64 = 640;
/// Where bars start.
const LEFT: i64 = 190;
const ROW: i64 = 22;

/// Requests to the model and calls of tools, a bar each, from the run's start to `now_us`.
pub(crate) fn timeline(view: &View, now_us: i64) -> Markup {
    let Some(first) = view.requests.first() else {
        return html! { p.soft { "Nothing has run yet." } };
    };
    let now = match view.is_over() {
        true => view.last_us,
        false => now_us.max(view.last_us),
    };
    let whole = (now - first.start).max(1);
    let x = |at: i64| LEFT + (at - first.start).clamp(0, whole) * (WIDTH - LEFT - 70) / whole;
    let mut rows: Vec<Row> = view.requests.iter().map(Row::Request).collect();
    rows.extend(view.calls.iter().map(Row::Call));
    rows.sort_by_key(|row| row.span().start);
    let height = ROW * rows.len() as i64 + 4;
    html! {
        svg role="img" aria-label=(label(view, whole)) viewBox={"0 0 " (WIDTH) " " (height)} {
            @for (at, row) in rows.iter().enumerate() {
                @let y = ROW * at as i64 + 2;
                @let span = row.span();
                @let end = span.end.unwrap_or(now);
                text x="0" y=(y + 14) { (clipped(row.name(), 28)) }
                @match row {
                    Row::Request(_) => rect.model x=(x(span.start)) y=(y) width=(x(end) - x(span.start) + 2) height="16" rx="3" {},
                    Row::Call(call) => {
                        @let started = span.start + call.queued;
                        @if call.queued > 0 {
                            rect.queued x=(x(span.start)) y=(y) width=(x(started) - x(span.start)) height="16" rx="3" {}
                        }
                        rect class=(class(call)) x=(x(started)) y=(y) width=(x(end) - x(started) + 2) height="16" rx="3" {}
                    }
                }
                text x=(x(end) + 8) y=(y + 14) { (millis(end - span.start)) }
            }
        }
    }
}

enum Row<'a> {
    Request(&'a Span),
    Call(&'a Call),
}

impl Row<'_> {
    fn span(&self) -> Span {
        match self {
            Self::Request(span) => **span,
            Self::Call(call) => call.span,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Request(_) => "model",
            Self::Call(call) => &call.tool,
        }
    }
}

fn class(call: &Call) -> &'static str {
    match call {
        call if call.is_running() => "ran",
        call if call.is_held() => "held",
        call if call.error().is_some() => "failed",
        _ => "ran",
    }
}

fn label(view: &View, whole: i64) -> String {
    let calls = view.calls.len();
    format!("Timeline: {calls} calls in {}", millis(whole))
}

pub(crate) fn millis(micros: i64) -> String {
    match micros / 1000 {
        millis @ ..10_000 => format!("{millis} ms"),
        millis => format!("{:.1} s", millis as f64 / 1000.0),
    }
}

fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A value between the ends of its reference range, `45-84` for example; nothing for what is no number.
pub(crate) fn in_range(value: &str, range: &str) -> Option<Markup> {
    let value: f64 = value.trim().parse().ok()?;
    let (low, high) = range.split_once('-')?;
    let (low, high): (f64, f64) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    if !(value.is_finite() && low < high) {
        return None;
    }
    // The range is the middle half.
    let at = |value: f64| (30.0 + (value - low) / (high - low) * 60.0).clamp(2.0, 118.0);
    let class = match (low..=high).contains(&value) {
        true => "value",
        false => "outside",
    };
    Some(html! {
        svg role="img" aria-label={(value) ", reference range " (range)} width="120" height="16" viewBox="0 0 120 16" {
            line.axis x1="0" x2="120" y1="8" y2="8" {}
            rect.normal x="30" y="4" width="60" height="8" rx="2" {}
            circle class=(class) cx=(format!("{:.1}", at(value))) cy="8" r="4" {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_drawn_where_it_is() {
        let drawn = |value, range| in_range(value, range).map(|drawn| drawn.into_string());
        assert!(
            drawn("60", "40-80")
                .unwrap()
                .contains(r#"class="value" cx="60.0""#)
        );
        assert!(
            drawn("900", "40-80")
                .unwrap()
                .contains(r#"class="outside" cx="118.0""#)
        );
        for (value, range) in [
            ("trace", "negative"),
            ("1", "2"),
            ("NaN", "1-2"),
            ("1", "2-2"),
        ] {
            assert_eq!(drawn(value, range), None);
        }
    }
}
