//! Recordings of runs, and the pages that are made of them.

#![cfg(test)] // for clippy, which allows `unwrap` in tests

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tool_core::serde_json::{Value, from_str, json};
use tool_core::{Decision, Dispatcher, tool, tools};
use tool_openai::recording::{Recorder, to_html};
use tool_openai::testing::{MockModel, ScriptedReply};
use tool_openai::{Agent, AgentEvent};

const RUN: &str = include_str!("golden/run.jsonl");

/// To accept a change: `cargo run -p tool-openai --features recording --bin run-to-html --
/// tool-openai/tests/golden/run.jsonl > tool-openai/tests/golden/run.html`.
const PAGE: &str = include_str!("golden/run.html");

fn page(recording: &str) -> String {
    to_html(recording.as_bytes()).unwrap()
}

fn line(event: Value) -> String {
    json!({"version": 1, "at_us": 1_764_504_000_000_000_u64, "event": event}).to_string() + "\n"
}

#[test]
fn the_page_of_a_run_stays_as_it_is() {
    assert_eq!(page(RUN), PAGE);
}

/// Every tag is one that the page has by itself, and nothing can load or run.
fn check_tags(page: &str) {
    const TAGS: &str = "!doctype html head meta title style body header main section h1 h2 h3 h4 p small span dl dt dd \
                        ul li pre figure figcaption svg rect g text table thead tbody tr th td";
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap();
        let name = tag
            .trim_start_matches('/')
            .split([' ', '/'])
            .next()
            .unwrap();
        assert!(
            TAGS.split_whitespace().any(|known| known == name),
            "<{tag}>"
        );
        assert!(tag.matches('"').count() % 2 == 0, "<{tag}>");
        assert!(
            !tag.contains(" on") && !tag.contains("src=") && !tag.contains("href="),
            "<{tag}>"
        );
    }
}

#[test]
fn markup_of_others_is_text() {
    check_tags(&page(RUN));
    let name = "search&quot;onload=alert(1)&lt;b&gt;";
    assert!(PAGE.contains(name) && !PAGE.contains("<script"));
    assert!(PAGE.contains("␛[31m") && !PAGE.contains('\u{1b}'));
}

#[test]
fn the_critical_path_is_marked() {
    let rows: Vec<&str> = PAGE
        .lines()
        .filter(|line| line.starts_with("<tr><td>"))
        .collect();
    let critical: Vec<bool> = rows
        .iter()
        .map(|row| row.contains("<td>yes</td>"))
        .collect();
    assert_eq!(critical, [false, false, true, true, false]);
    assert!(rows[3].contains("<td>120.0 ms</td><td>330.0 ms</td>"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_escaped_wherever_it_is(
        text in proptest::collection::vec(prop_oneof![any::<char>(), prop::sample::select(vec!['<', '>', '&', '"', '\'', ' ', '/', '\u{202e}'])], 1..40),
        cut in 0..200_usize,
    ) {
        let text: String = text.into_iter().collect();
        let call = json!({"id": text, "name": text, "arguments": text});
        let result = json!({"version": 1, "id": text, "name": text, "arguments": "", "position": 0,
            "output": [{"type": "text", "text": text}], "queued_at_us": 0, "finished_after_ns": 1});
        let mut failed = result.clone();
        failed.as_object_mut().unwrap().remove("output");
        failed["position"] = 1.into();
        failed["error"] = json!({"code": "tool_error", "message": text, "tool": text});
        let events = [
            json!({"type": "prompt", "data": text}),
            json!({"type": "tools_left_out", "data": [{"tool": text, "reason": text}]}),
            json!({"type": "history_repaired", "data": [{"message": 0, "change": {"type": "id", "given": text}}]}),
            json!({"type": "turn_started", "data": {"turn": 1}}),
            json!({"type": "text", "data": text}),
            json!({"type": "thinking", "data": text}),
            json!({"type": "refusal", "data": text}),
            json!({"type": "request_retried", "data": [{"reason": text}]}),
            json!({"type": "tool_call_ready", "data": {"position": 0, "call": call, "repairs": [{"type": "name", "given": text}]}}),
            json!({"type": "progress", "data": {"version": 1, "id": text, "tool": text, "position": 0, "message": text}}),
            json!({"type": "result", "data": result}),
            json!({"type": "result", "data": failed}),
            json!({"type": text, "data": {&text: text}}),
            json!({"type": "error", "data": {"kind": text, "message": text}}),
            json!({"type": "turn_started", "data": {"turn": 2}}),
            json!({"type": "tool_call_started", "data": {"position": 0, "name": text}}),
            json!({"type": "tool_call_delta", "data": {"position": 0, "delta": text}}),
        ];
        let recording: String = events.into_iter().map(line).collect();
        let page = page(&recording);
        check_tags(&page);
        let is_control = |c: char| c == '\n' || !c.is_control();
        prop_assert!(page.chars().all(|c| is_control(c) || c == '\t'));
        if text.chars().all(|c| c.is_ascii_graphic()) {
            let shown = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
                .replace('"', "&quot;").replace('\'', "&#39;");
            prop_assert!(page.matches(&shown).count() >= 16);
        }
        // Cut anywhere, it is still a page.
        let end = recording.char_indices().rev().nth(cut).map_or(0, |(end, _)| end);
        check_tags(&to_html(&recording.as_bytes()[..end]).unwrap());
    }
}

#[test]
fn a_recording_that_stops_is_shown_and_says_so() {
    let lines: Vec<&str> = RUN.lines().collect();
    let stops = page(&(lines[..27].join("\n") + "\n"));
    assert!(
        stops.contains("The recording stops here")
            && stops.contains("The recording has no result of it")
    );
    assert!(!stops.contains("cut short"));

    // In the middle of a character too.
    let mut cut = RUN.as_bytes().to_vec();
    cut.truncate(RUN.rfind("P-2").unwrap());
    cut.push("…".as_bytes()[0]);
    let cut = to_html(&cut[..]).unwrap();
    assert!(cut.contains("cut short") && cut.contains("The recording stops here"));

    assert!(page("").contains("The recording is empty"));
    let written =
        line(json!({"type": "tool_call_started", "data": {"position": 0, "name": "add"}}));
    assert!(page(&written).contains("A call that is not complete: add"));
}

#[test]
fn a_line_that_is_no_event_is_named() {
    let first = line(json!({"type": "turn_started", "data": {"turn": 1}}));
    for (bad, reason) in [
        ("Hello\n", "expected value, column 1"),
        ("{\"version\": 1\n", "EOF while parsing an object, column 0"),
        (
            "{\"version\": 1, \"event\": {}}",
            "missing field `at_us`, column 27",
        ),
        (
            "{\"version\": 2, \"at_us\": 0, \"event\": {}}\n",
            "format 2 was written by a later version",
        ),
    ] {
        let error = to_html(format!("{first}\n{bad}").as_bytes())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("line 3 is no event of a recording: "),
            "{error}"
        );
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn a_turn_that_was_asked_for_again_is_void() {
    let turn = |turn: usize| line(json!({"type": "turn_started", "data": {"turn": turn}}));
    let end = line(json!({"type": "error", "data": {"kind": "turn_limit", "message": ""}}));
    let again = page(&[turn(1), turn(1), turn(2)].concat());
    assert_eq!(again.matches("class=\"void\"").count(), 1);
    // The next run of a conversation begins with the same number.
    let next = page(&[turn(1), end, turn(1)].concat());
    assert_eq!(next.matches("class=\"void\"").count(), 0);
}

#[test]
fn long_texts_are_clipped() {
    let text = line(json!({"type": "text", "data": "ä".repeat(20_007)}));
    let page = page(&text);
    assert_eq!(page.matches('ä').count(), 20_000);
    assert!(page.contains("7 more characters are not shown"));
}

/// Get the record of a patient.
#[tool(read_only)]
async fn record(patient: &str) -> Result<String, String> {
    match patient {
        "P-SECRET" => Ok("SECRET: allergic".to_owned()),
        other => Err(format!("no patient {other}")),
    }
}

/// Close the record of a patient.
#[tool(destructive)]
async fn close(patient: &str) {
    let _ = patient;
}

/// Its model thinks, calls three tools with arguments that have to be repaired, and one is held.
fn agent() -> Agent {
    let calls = [
        ("record", json!("{\"patient\": \"P-SECRET\"}}")),
        ("record", json!({"patient": "SECRET-2"})),
        ("close", json!({"patient": "P-SECRET"})),
    ];
    let reply = ScriptedReply::calls(calls)
        .with_text("SECRET text.")
        .with_reasoning("SECRET thoughts.");
    let tools =
        Dispatcher::new(tools![record, close]).with_policy(|call| match call.definition().name() {
            "close" => Decision::Hold,
            _ => Decision::Allow,
        });
    Agent::new(MockModel::new([reply]), "mock").with_tools(tools)
}

async fn recorded(mut recorder: Recorder<Vec<u8>>) -> String {
    recorder.record_prompt("SECRET question").unwrap();
    let mut run = agent().stream("SECRET question");
    while let Some(event) = run.next().await {
        recorder.record(&event.unwrap()).unwrap();
    }
    String::from_utf8(recorder.into_inner()).unwrap()
}

#[tokio::test]
async fn a_recorded_run_is_shown_with_its_contents() {
    let recording = recorded(Recorder::new(Vec::new()).with_recorded_content()).await;
    for line in recording.lines() {
        let line: Value = from_str(line).unwrap();
        assert_eq!(
            (&line["version"], &line["recorded_content"]),
            (&json!(1), &json!(true))
        );
        if line["event"]["type"] == "prompt" {
            continue; // of the caller, no event
        }
        let read: AgentEvent = tool_core::serde_json::from_value(line["event"].clone()).unwrap();
        assert_eq!(
            tool_core::serde_json::to_value(read).unwrap()["type"],
            line["event"]["type"]
        );
    }
    let page = page(&recording);
    check_tags(&page);
    for shown in [
        "SECRET question",
        "SECRET text.",
        "SECRET thoughts.",
        "SECRET: allergic",
        "no patient SECRET-2",
        "surplus brace behind the arguments left out",
        "Suspended: calls are held",
        "Call 2, close: waits for a decision",
        "<dt>Calls</dt><dd>3 (1 failed, 1 held)</dd>",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("were not recorded") && !page.contains("Unknown event"));
}

#[tokio::test]
async fn contents_stay_out_unless_asked_for() {
    let recording = recorded(Recorder::new(Vec::new())).await;
    assert!(!recording.contains("SECRET"), "{recording}");
    let page = page(&recording);
    assert!(
        page.contains("were not recorded") && !page.contains("Unknown event"),
        "{page}"
    );
    for shown in [
        "Call 0: record",
        "tool_error",
        "waits for a decision",
        "surplus brace",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
}

#[tokio::test]
async fn events_of_a_callback_and_the_end_are_one_recording() {
    for (reply, end) in [
        (
            ScriptedReply::text("SECRET"),
            "<dt>End</dt><dd>A reply</dd>",
        ),
        (
            ScriptedReply::error(400, "bad", "SECRET"),
            "<p class=\"bad\">400</p>",
        ),
    ] {
        let recorder = Arc::new(Mutex::new(Recorder::new(Vec::new())));
        let events = Arc::clone(&recorder);
        let agent = Agent::new(MockModel::new([reply]), "mock")
            .with_on_event(move |event| events.lock().unwrap().record(event).unwrap());
        let ended = agent.run("SECRET").await;
        let mut recorder = recorder.lock().unwrap();
        match &ended {
            Ok(reply) => recorder.record_reply(reply).unwrap(),
            Err(error) => recorder.record_error(error).unwrap(),
        }
        let recording = String::from_utf8(recorder.clone().into_inner()).unwrap();
        assert!(!recording.contains("SECRET"), "{recording}");
        let page = page(&recording);
        assert!(page.contains(end) && !page.contains("No end"), "{page}");
    }
}

/// Has room for so many bytes.
#[derive(Default)]
struct Disk {
    room: usize,
    flushed: usize,
    written: Vec<u8>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room);
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room -= taken;
        self.written.extend(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushed = self.written.len();
        Ok(())
    }
}

#[test]
fn every_line_is_flushed_and_none_follows_one_that_is_cut() {
    let mut disk = Disk {
        room: 150,
        ..Disk::default()
    };
    let mut recorder = Recorder::new(&mut disk);
    let event = AgentEvent::TurnStarted { turn: 1 };
    recorder.record(&event).unwrap();
    assert_eq!(
        recorder.record(&event).unwrap_err().kind(),
        io::ErrorKind::StorageFull
    );
    let later = recorder.record(&event).unwrap_err();
    assert_eq!(later.to_string(), "a line before it could not be written");
    let text = String::from_utf8(disk.written).unwrap();
    assert_eq!(text.find('\n').map(|end| end + 1), Some(disk.flushed));
    assert!(page(&text).contains("cut short"));
}

/// Exit code, stdout and stderr.
fn run_to_html(arguments: &[&str], stdin: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_run-to-html"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes()); // it may not read
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn the_program_makes_the_same_page() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/run.jsonl");
    let made = (Some(0), PAGE.to_owned(), String::new());
    assert_eq!(run_to_html(&[path], ""), made);
    assert_eq!(run_to_html(&["-"], RUN), made);

    let (code, help, _) = run_to_html(&["--help"], "");
    assert!(code == Some(0) && help.contains("Usage: run-to-html FILE"));
    for wrong in [&[][..], &["--html", path], &["--html"], &[path, path]] {
        let (code, out, error) = run_to_html(wrong, "");
        assert!(
            code == Some(2) && out.is_empty() && error.contains("Usage"),
            "{wrong:?}"
        );
    }
    let (code, out, error) = run_to_html(&["-"], "Hello\n");
    assert!(
        code == Some(1) && out.is_empty() && error.starts_with("-: line 1 "),
        "{error}"
    );
    let (code, _, error) = run_to_html(&["no-such-file"], "");
    assert!(
        code == Some(1) && error.starts_with("no-such-file: the recording cannot be read"),
        "{error}"
    );
}
