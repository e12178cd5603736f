//! Rounds of measuring every form in turn, and the table of what came out.

use std::{array, env, fmt};

use super::Result;
use super::forms::Form;

/// Rounds, and how many of them if `--quick` is given.
pub(crate) struct Rounds {
    pub(crate) full: usize,
    pub(crate) quick: usize,
}

/// One line of the table.
pub(crate) struct Row<'a> {
    /// What is measured, and in which unit.
    pub(crate) title: String,
    pub(crate) target: Target,
    /// Forms that have a counterpart.
    pub(crate) forms: &'static [Form],
    pub(crate) measure: Box<dyn FnMut(Form) -> Result<f64> + 'a>,
}

/// What our column shall be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtMost(f64),
    /// At most so many times another form.
    Times(f64, Form),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "at most {most}"),
            Self::Times(times, form) => write!(
                f,
                "at most {times} x {}",
                format!("{form:?}").to_lowercase()
            ),
        }
    }
}

/// Whether `cargo bench` runs this program: `cargo test --all-targets` does so too.
pub(crate) fn is_asked_for() -> bool {
    is_given("--bench")
}

fn is_given(option: &str) -> bool {
    env::args().any(|argument| argument == option)
}

/// Measures the rows, or those whose titles the command line has a part of, and prints them.
///
/// Each round takes every form of every row once, and the forms of a row one right after the other:
/// what slows the machine down for a while does so to all. A form's figure is the median of the
/// rounds; a ratio is the median of the ratios within a round, and so not quite that of the
/// figures. Half of what is judged, the ratios or else our figures, lies within the bounds beside
/// it.
pub(crate) fn print(rounds: Rounds, mut rows: Vec<Row<'_>>) -> Result<()> {
    let rounds = if is_given("--quick") {
        rounds.quick
    } else {
        rounds.full
    };
    let parts: Vec<_> = env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    rows.retain(|row| parts.is_empty() || parts.iter().any(|part| row.title.contains(part)));
    if rows.is_empty() {
        return Ok(());
    }
    let mut measured = vec![Vec::new(); rows.len()];
    for round in 0..rounds {
        for (row, measured) in rows.iter_mut().zip(&mut measured) {
            let mut figures = [f64::NAN; Form::ALL.len()];
            for turn in 0..row.forms.len() {
                let form = row.forms[(round + turn) % row.forms.len()];
                figures[form as usize] = (row.measure)(form)?;
            }
            measured.push(figures);
        }
    }

    println!("\nMedians of {rounds} rounds.\n");
    println!(
        "{:50}{:>9}{:>9}{:>9}{:>9}{:>8}  {:16}  to reach",
        "", "ours", "joined", "spawned", "halved", "ratio", "half within"
    );
    for (row, measured) in rows.iter().zip(&measured) {
        println!("{}", row.line(measured).trim_end());
    }
    Ok(())
}

impl Row<'_> {
    fn line(&self, measured: &[[f64; Form::ALL.len()]]) -> String {
        let medians: [String; Form::ALL.len()] = array::from_fn(|form| {
            cell(quantile(0.5, measured.iter().map(|figures| figures[form])))
        });
        let judged = |figures: &[f64; Form::ALL.len()]| match self.target {
            Target::AtMost(_) => figures[Form::Ours as usize],
            Target::Times(_, form) => figures[Form::Ours as usize] / figures[form as usize],
        };
        let [low, median, high] =
            [0.25, 0.5, 0.75].map(|share| quantile(share, measured.iter().map(judged)));
        let (ratio, most) = match self.target {
            Target::AtMost(most) => ("", most),
            Target::Times(times, _) => (&*cell(median), times),
        };
        let spread = format!("{} to {}", cell(low), cell(high));
        let verdict = if median <= most { "reached" } else { "missed" };
        let [ours, joined, spawned, halved] = medians;
        format!(
            "{:50}{ours:>9}{joined:>9}{spawned:>9}{halved:>9}{ratio:>8}  {spread:16}  {}: {verdict}",
            self.title, self.target
        )
    }
}

fn cell(figure: f64) -> String {
    match figure {
        figure if figure.is_nan() => "-".to_owned(),
        figure if figure.abs() < 100.0 => format!("{figure:.2}"),
        figure => format!("{figure:.0}"),
    }
}

fn quantile(share: f64, figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[(share * (figures.len() - 1) as f64).round() as usize]
}
