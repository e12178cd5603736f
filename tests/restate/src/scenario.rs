//! A scenario that judges what runs tools on several machines: sixty calls, while workers, the
//! engine and the caller are killed. It knows nothing of any engine.

use std::fmt;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tool_core::{ToolCall, ToolResult};

/// What the scenario needs of an adapter. Its workers have the tools of this package, and write to
/// the file that `LOG` names.
pub trait Adapter {
    /// A process that reads calls as JSON from stdin, dispatches them under the run id, and writes
    /// their results as JSON.
    fn caller(&self, run_id: &str) -> Command;

    /// Kills a worker, and starts another in its place.
    fn kill_worker(&mut self, number: usize);

    /// Kills what the workers are under, and starts it again.
    fn kill_engine(&mut self);

    /// What the tools write.
    fn log(&self) -> PathBuf;
}

/// What came of sixty calls, six of which are to fail.
#[derive(Debug)]
pub struct Report {
    /// What is not as it should be in the results, by their order.
    pub wrong: Vec<String>,
    /// Calls that have no finished run.
    pub lost: usize,
    /// Runs that were begun although another had begun.
    pub begun_again: usize,
    /// Runs that finished although another had finished.
    pub ended_twice: usize,
    /// Runs that were begun when a third caller asked for the results.
    pub begun_after: usize,
    /// Workers that were killed.
    pub kills: usize,
    /// From the first caller's start to the last result.
    pub took: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            wrong,
            lost,
            begun_again,
            ended_twice,
            begun_after,
            kills,
            took,
        } = self;
        let right = 60 - wrong.len();
        write!(
            f,
            "{right} of 60 right and in order in {took:.1?}; {kills} workers killed; {lost} lost, {begun_again} begun again, {ended_twice} finished twice, {begun_after} begun when all was done"
        )
    }
}

/// Runs it. The caller is killed when a first call has ended, and starts again with the same run id; a worker is
/// killed every 400 ms, at most 40 in all, and the engine once.
///
/// # Panics
/// A process cannot be started.
pub fn sixty_calls(adapter: &mut impl Adapter, seed: u64) -> Report {
    let mut dice = Dice(seed);
    let calls: Vec<ToolCall> = (0..60).map(|number| call(number, &mut dice)).collect();
    let start = |adapter: &mut dyn Adapter| start_caller(adapter, &calls);
    let began = Instant::now();
    let mut first = start(adapter);
    let log = adapter.log();
    until("a call has ended", || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("ended"))
    });
    _ = first.kill();
    _ = first.wait();
    let second = start(adapter);
    let answered = std::thread::spawn(move || second.wait_with_output());
    let mut kills = 0;
    while !answered.is_finished() && kills < 40 {
        std::thread::sleep(Duration::from_millis(400));
        adapter.kill_worker(dice.roll(3) as usize);
        kills += 1;
        if kills == 2 {
            adapter.kill_engine();
        }
    }
    let output = answered
        .join()
        .expect("nothing panics")
        .expect("the caller ends");
    let took = began.elapsed();
    let results: Vec<ToolResult> = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let report = judge(&results, &log);
    let third = start(adapter).wait_with_output().expect("the caller ends");
    let again: Vec<ToolResult> = serde_json::from_slice(&third.stdout).unwrap_or_default();
    let after = judge(&again, &log);
    Report {
        kills,
        took,
        begun_after: after.begun_again - report.begun_again,
        wrong: [report.wrong, after.wrong].concat(),
        ..report
    }
}

/// The same calls, and nothing is killed: what [`sixty_calls`] is to be compared with.
///
/// # Panics
/// A process cannot be started.
pub fn undisturbed(adapter: &mut impl Adapter, seed: u64) -> Report {
    let mut dice = Dice(seed);
    let calls: Vec<ToolCall> = (0..60).map(|number| call(number, &mut dice)).collect();
    let began = Instant::now();
    let caller = start_caller(adapter, &calls);
    let output = caller.wait_with_output().expect("the caller ends");
    let took = began.elapsed();
    let results: Vec<ToolResult> = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Report {
        took,
        ..judge(&results, &adapter.log())
    }
}

fn start_caller(adapter: &dyn Adapter, calls: &[ToolCall]) -> Child {
    let mut command = adapter.caller("the run");
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut caller = piped
        .env("LOG", adapter.log())
        .spawn()
        .expect("the caller starts");
    let text = serde_json::to_vec(calls).expect("calls are JSON");
    let mut stdin = caller.stdin.take().expect("its stdin is piped");
    stdin.write_all(&text).expect("the caller reads");
    caller
}

fn call(number: usize, dice: &mut Dice) -> ToolCall {
    let (id, milliseconds) = (format!("c{number}"), 300 + dice.roll(1700));
    match fails(number) {
        true => ToolCall::new(id, "fails", format!(r#"{{"tag": "t{number}"}}"#)),
        false => {
            let arguments = format!(r#"{{"tag": "t{number}", "milliseconds": {milliseconds}}}"#);
            ToolCall::new(id, "work_again", arguments)
        }
    }
}

fn fails(number: usize) -> bool {
    number % 10 == 7
}

fn judge(results: &[ToolResult], log: &Path) -> Report {
    let mut report = Report {
        wrong: Vec::new(),
        lost: 0,
        begun_again: 0,
        ended_twice: 0,
        begun_after: 0,
        kills: 0,
        took: Duration::ZERO,
    };
    for number in 0..60 {
        let (id, tag) = (format!("c{number}"), format!("t{number}"));
        let expected = match fails(number) {
            true => r#"{"error":"no such patient","tool":"fails"}"#,
            false => &tag,
        };
        match results.get(number) {
            Some(result) if result.id() == id && result.content() == expected => {}
            Some(result) => report.wrong.push(format!("{id}: {}", result.content())),
            None => report.wrong.push(format!("{id}: no result")),
        }
        if !fails(number) {
            let ended = count(log, "ended", &tag);
            report.lost += usize::from(ended == 0);
            report.ended_twice += ended.saturating_sub(1);
            report.begun_again += count(log, "began", &tag).saturating_sub(1);
        }
    }
    report
}

/// How often a tool did something for a tag.
pub fn count(log: &Path, what: &str, tag: &str) -> usize {
    let log = fs::read_to_string(log).unwrap_or_default();
    let line = format!("{what} {tag}");
    log.lines().filter(|written| *written == line).count()
}

/// A program that is killed at once, without notice, and also when it is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// # Panics
    /// It cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let quiet = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(quiet.spawn().expect("the program starts"))
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Panics
    /// There is no program `kill`.
    pub fn stop(&mut self) {
        let pid = self.0.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        asked.expect("there is a program `kill`");
        _ = self.0.wait();
    }

    /// Kills it, and waits until it is no more.
    pub fn kill(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether anybody listens at an address.
pub fn listens(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

/// Waits for what other processes do.
///
/// # Panics
/// It does not come to be within a minute.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}
