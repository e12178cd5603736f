//! A batch as text for a terminal.

use std::fmt;
use std::time::Duration;

use super::Waterfall;

impl fmt::Display for Waterfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WIDTH: usize = 40;
        let labels: Vec<String> = self.rows.iter().map(|row| row.label()).collect();
        let widest = labels
            .iter()
            .map(|label| label.chars().count())
            .max()
            .unwrap_or(0);
        let column = |at: Duration| match self.elapsed.as_nanos() {
            0 => 0,
            whole => usize::try_from(at.as_nanos() * WIDTH as u128 / whole).unwrap_or(WIDTH),
        };
        for (row, label) in self.rows.iter().zip(&labels) {
            let from = column(row.start.unwrap_or(row.end));
            let start = from.min(WIDTH - 1);
            let bar = column(row.end)
                .saturating_sub(from)
                .max(1)
                .min(WIDTH - start);
            let drawn = format!("{}{}", " ".repeat(start), "█".repeat(bar));
            let note = if row.note.is_empty() {
                String::new()
            } else {
                format!("  {}", row.note)
            };
            writeln!(
                f,
                "{label:widest$}  {drawn:WIDTH$}  {}{note}",
                Millis(row.ran())
            )?;
        }
        Summary(self).fmt(f)
    }
}

/// What running together saved.
pub(super) struct Summary<'a>(pub(super) &'a Waterfall);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (together, added_up) = (Millis(self.0.elapsed()), Millis(self.0.sequential()));
        write!(f, "{together} together, {added_up} added up")?;
        // Calls that take hardly any time can take longer together than they add up to.
        match self.0.speed_up() {
            times if times >= 1.0 => write!(f, ": {times:.1} times as fast"),
            _ => Ok(()),
        }
    }
}

/// Whole milliseconds from ten on, one decimal below.
pub(super) struct Millis(pub(super) Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_secs_f64() * 1000.0;
        write!(f, "{millis:.*} ms", usize::from(millis < 10.0))
    }
}
