//! A picture of a batch: what ran when, and what running together saved.

use std::fmt;
use std::time::Duration;

use crate::call::ToolResult;

/// What ran when in one batch, as text for a terminal.
///
/// ```text
/// get_patient_demographics  ████████████████████████████████████████  200 ms
/// get_patient_medications   ████████████████████████████████████      180 ms
/// get_patient_allergies     ██████████████████████████████            150 ms
/// 201 ms together, 530 ms added up: 2.6 times as fast
/// ```
#[derive(Clone, Debug)]
pub struct Waterfall {
    rows: Vec<Row>,
    elapsed: Duration,
}

#[derive(Clone, Debug)]
struct Row {
    name: String,
    /// From the start of the batch.
    start: Duration,
    end: Duration,
    note: &'static str,
}

impl Waterfall {
    /// The picture of one batch.
    pub fn new(results: &[ToolResult]) -> Self {
        let row = |result: &ToolResult| {
            let since = |instant: tokio::time::Instant| instant.saturating_duration_since(result.queued());
            let end = since(result.finished());
            Row {
                name: result.name().to_owned(),
                start: result.started().map_or(end, since),
                end,
                note: result.outcome().err().map_or("", |error| error.code().as_str()),
            }
        };
        let rows: Vec<_> = results.iter().map(row).collect();
        let elapsed = rows.iter().map(|row| row.end).max().unwrap_or_default();
        Self { rows, elapsed }
    }

    /// How long the batch took: to the end of its last call.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The times of its calls added up: what they would have taken one after the other, had each taken as long alone.
    pub fn sequential(&self) -> Duration {
        self.rows.iter().map(|row| row.end.saturating_sub(row.start)).sum()
    }

    /// How many times as fast the batch was as its calls one after the other; 1 for an empty batch.
    pub fn speed_up(&self) -> f64 {
        if self.elapsed.is_zero() { 1.0 } else { self.sequential().as_secs_f64() / self.elapsed.as_secs_f64() }
    }
}

impl fmt::Display for Waterfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WIDTH: usize = 40;
        const LONGEST_NAME: usize = 40;
        let names: Vec<String> =
            self.rows.iter().map(|row| row.name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()).collect();
        let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let column = |at: Duration| match self.elapsed.as_nanos() {
            0 => 0,
            whole => usize::try_from(at.as_nanos() * WIDTH as u128 / whole).unwrap_or(WIDTH),
        };
        for (row, name) in self.rows.iter().zip(&names) {
            let start = column(row.start).min(WIDTH - 1);
            let bar = (column(row.end) - column(row.start).min(column(row.end))).max(1).min(WIDTH - start);
            let drawn = format!("{}{}", " ".repeat(start), "█".repeat(bar));
            let note = if row.note.is_empty() { String::new() } else { format!("  {}", row.note) };
            writeln!(f, "{name:widest$}  {drawn:WIDTH$}  {}{note}", Millis(row.end.saturating_sub(row.start)))?;
        }
        let (together, added_up) = (Millis(self.elapsed), Millis(self.sequential()));
        write!(f, "{together} together, {added_up} added up: {:.1} times as fast", self.speed_up())
    }
}

/// Whole milliseconds from ten on, one decimal below.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_secs_f64() * 1000.0;
        write!(f, "{millis:.*} ms", usize::from(millis < 10.0))
    }
}
