//! What a crate of 100 tools costs to compile, beside the same tools written by hand: `cargo bench
//! -p tests --bench compile_time`.
//!
//! Three crates outside the workspace are written from the templates in `compile_time/`: tools made
//! by `#[tool]`; tools by hand with derives, an arguments struct each and its schema by `schemars`;
//! and tools by hand without, their schemas as `json!` and their arguments picked from a `Value`.
//! All three contain the same functions and must print the same results.
//!
//! The times are medians of rounds that visit the crates in turn. Nothing is asserted of them: the
//! exit code reports only a build that fails, or results that differ.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use std::{array, env, fs};

const TOOLS: usize = 100;
/// Unless the command line says otherwise: `-- 3`.
const ROUNDS: usize = 5;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One way to write the tools.
struct Form {
    name: &'static str,
    /// `main.rs` with one tool, number 000; what is between `// each {` and `// }` is repeated
    /// for every other.
    template: &'static str,
    dependencies: &'static [&'static str],
}

const FUTURES: &str =
    r#"futures-util = { version = "0.3", default-features = false, features = ["alloc"] }"#;
const SERDE: &str = r#"serde = { version = "1", features = ["derive"] }"#;
const TOKIO: &str = r#"tokio = { version = "1", features = ["rt-multi-thread"] }"#;

const FORMS: [Form; 3] = [
    Form {
        name: "attribute",
        template: include_str!("compile_time/attribute.rs"),
        dependencies: &[concat!(
            "tool-core.path = '",
            env!("CARGO_MANIFEST_DIR"),
            "/../tool-core'"
        )],
    },
    Form {
        name: "derives",
        template: include_str!("compile_time/derives.rs"),
        dependencies: &[FUTURES, SERDE, TOKIO, "schemars = '1'", "serde_json = '1'"],
    },
    Form {
        name: "values",
        template: include_str!("compile_time/values.rs"),
        dependencies: &[FUTURES, SERDE, TOKIO, "serde_json = '1'"],
    },
];

/// A crate written from a form.
struct Crate {
    name: &'static str,
    main: String,
    folder: PathBuf,
    edits: usize,
}

impl Crate {
    fn new(form: &Form, folder: &Path) -> Result<Self> {
        let krate = Self {
            name: form.name,
            main: repeat(form.template)?,
            folder: folder.join(form.name),
            edits: 0,
        };
        fs::create_dir_all(krate.folder.join("src"))?;
        let package = format!(
            "[workspace]\n\n[package]\nname = '{}'\nedition = '2024'\n",
            form.name
        );
        fs::write(
            krate.folder.join("Cargo.toml"),
            format!(
                "{package}\n[dependencies]\n{}\n",
                form.dependencies.join("\n")
            ),
        )?;
        // The versions that are tested.
        fs::copy(
            concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"),
            krate.folder.join("Cargo.lock"),
        )?;
        fs::write(
            krate.folder.join("src/shared.rs"),
            include_str!("compile_time/shared.rs"),
        )?;
        fs::write(
            krate.folder.join("src/by_hand.rs"),
            include_str!("compile_time/by_hand.rs"),
        )?;
        fs::write(krate.folder.join("src/main.rs"), &krate.main)?;
        Ok(krate)
    }

    /// Changes a number in the body of the tool in the middle, and makes that body so many lines
    /// longer than the template's.
    fn edit(&mut self, lines: usize) -> Result<()> {
        self.edits += 1;
        let (before, after) = (
            format!("series: 1{:03}", TOOLS / 2),
            format!("series: {}{}", "\n".repeat(lines), 2000 + self.edits),
        );
        Ok(fs::write(
            self.folder.join("src/main.rs"),
            self.main.replace(&before, &after),
        )?)
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .current_dir(&self.folder)
            .arg("--offline")
            .args(arguments)
            .env("CARGO_TARGET_DIR", self.target());
        command.env_remove("CARGO_INCREMENTAL"); // as each profile has it
        command
    }

    fn target(&self) -> PathBuf {
        self.folder.with_file_name("target")
    }

    /// Deletes what was made of the crate itself, incremental state included. Its dependencies
    /// stay.
    fn clean(&self) -> Result<()> {
        output(&mut self.cargo(&["clean", "-p", self.name]))?;
        output(&mut self.cargo(&["clean", "-p", self.name, "--release"])).map(drop)
    }

    fn binary(&self) -> PathBuf {
        self.target()
            .join("release")
            .join(format!("{}{}", self.name, env::consts::EXE_SUFFIX))
    }

    fn binary_size(&self) -> Result<f64> {
        Ok(fs::metadata(self.binary())?.len() as f64 / 1e6)
    }

    fn dependencies(&self) -> Result<f64> {
        let tree = output(&mut self.cargo(&[
            "tree", "--edges", "normal", "--prefix", "none", "--format", "{p}",
        ]))?;
        let packages = tree
            .lines()
            .map(|line| line.trim_end_matches(" (*)"))
            .filter(|line| !line.is_empty());
        Ok(packages.collect::<BTreeSet<_>>().len() as f64 - 1.0) // the crate itself
    }
}

fn repeat(template: &str) -> Result<String> {
    let mut main = String::new();
    for (position, part) in template.split("// each {\n").enumerate() {
        let (each, rest) = match position {
            0 => ("", part),
            _ => part
                .split_once("// }\n")
                .ok_or("a template lacks a closing `// }`")?,
        };
        main.extend((0..TOOLS).map(|number| each.replace("000", &format!("{number:03}"))));
        main.push_str(rest);
    }
    Ok(main)
}

/// What a command that must succeed has printed.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(format!(
            "{command:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )
        .into()),
    }
}

const CHECK: &[&str] = &["check"];
const RELEASE: &[&str] = &["build", "--release"];

/// What is timed, what happens before it in each round, and the command.
type Measure = (
    &'static str,
    fn(&mut Crate, usize) -> Result<()>,
    &'static [&'static str],
);

const MEASURES: [Measure; 6] = [
    ("check, clean", |krate, _| krate.clean(), CHECK),
    ("check, nothing to do", |_, _| Ok(()), CHECK),
    (
        "check, after one body",
        |krate, round| krate.edit(round),
        CHECK,
    ),
    (
        "check, after a body grew by a line",
        |krate, round| krate.edit(round + 1),
        CHECK,
    ),
    ("release, clean", |_, _| Ok(()), RELEASE),
    (
        "release, after one body",
        |krate, round| krate.edit(round + 1),
        RELEASE,
    ),
];

fn bench() -> Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_time");
    let mut crates = Vec::new();
    for form in &FORMS {
        eprintln!("building {} and what it depends on", form.name);
        let krate = Crate::new(form, &folder)?;
        output(&mut krate.cargo(CHECK))?;
        output(&mut krate.cargo(RELEASE))?;
        crates.push((output(&mut Command::new(krate.binary()))?, krate));
    }
    // The first line is the size of the definitions, which are not the same schemas.
    let results = |printed: &str| {
        printed
            .split_once('\n')
            .map(|(_, results)| results.to_owned())
    };
    let (expected, _) = &crates[0];
    for (printed, krate) in &crates {
        if results(printed) != results(expected) || printed.lines().count() != 5 {
            return Err(format!(
                "{} prints\n{printed}where {} prints\n{expected}",
                krate.name, FORMS[0].name
            )
            .into());
        }
    }

    let mut rows = [[0.0; FORMS.len()]; 4];
    for (at, (printed, krate)) in crates.iter().enumerate() {
        rows[0][at] = krate.binary_size()?;
        output(&mut krate.cargo(&["rustc", "--release", "--", "-Cstrip=symbols"]))?;
        rows[1][at] = krate.binary_size()?;
        rows[2][at] = krate.dependencies()?;
        rows[3][at] = printed
            .lines()
            .next()
            .ok_or("nothing is printed")?
            .parse::<f64>()?
            / 1e3;
    }

    let mut times = vec![[const { Vec::<Duration>::new() }; FORMS.len()]; MEASURES.len()];
    let rounds = env::args()
        .find_map(|argument| argument.parse().ok().filter(|rounds| *rounds > 0))
        .unwrap_or(ROUNDS);
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for (times, (_, prepare, arguments)) in times.iter_mut().zip(MEASURES) {
            for (times, (_, krate)) in times.iter_mut().zip(&mut crates) {
                prepare(krate, round)?;
                let mut command = krate.cargo(arguments);
                let start = Instant::now();
                output(&mut command)?;
                times.push(start.elapsed());
            }
        }
    }

    println!(
        "{TOOLS} tools; medians of {rounds} rounds, of whole commands: cargo's own start-up is what it takes to do nothing."
    );
    println!(
        "\"clean\": the crate alone is compiled, its dependencies are there. \"after one body\": a number in one body changed.\n"
    );
    println!(
        "{:36}{:>11}{:>11}{:>11}{:>11}{:>11}",
        "", "#[tool]", "derives", "no derives", "/ derives", "/ none"
    );
    for ((title, ..), times) in MEASURES.iter().zip(times) {
        row(title, "s", 2, times.map(median));
    }
    row("release binary", "MB", 2, rows[0]);
    row("release binary, stripped", "MB", 2, rows[1]);
    row("crates depended on", "", 0, rows[2]);
    row("definitions", "kB", 1, rows[3]);
    Ok(())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

fn row(title: &str, unit: &str, decimals: usize, values: [f64; FORMS.len()]) {
    let cells = values.map(|value| format!("{:>11}", format!("{value:.decimals$} {unit}")));
    let ratios: [String; 2] =
        array::from_fn(|other| format!("{:>11.2}", values[0] / values[other + 1]));
    println!("{title:36}{}{}", cells.concat(), ratios.concat());
}

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
