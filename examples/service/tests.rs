//! The service as its clients see it: a process, HTTP, and a folder that survives it.

#![cfg(test)] // for clippy, which allows `unwrap` in tests

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Longer than any step that ends.
const FOREVER: Duration = Duration::from_secs(60);

struct Service {
    process: Child,
    url: String,
    http: reqwest::Client,
}

impl Service {
    fn start(data: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_service"))
            .arg("--data")
            .arg(data)
            .env_remove("OPENAI_API_KEY")
            .env_remove("OPENAI_BASE_URL")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = lines.next().unwrap().unwrap();
        // Its other output is read, so that the pipe does not fill up.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            process,
            url,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    fn post(&self, path: &str, user: &str, body: &Value) -> reqwest::RequestBuilder {
        let post = self.http.post(format!("{}{path}", self.url));
        post.header("x-user", user).json(body)
    }

    /// The events of an answer, to its end.
    async fn events(&self, path: &str, user: &str, body: Value) -> Vec<Value> {
        let answer = self.post(path, user, &body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{body}");
        let text = timeout(FOREVER, answer.text()).await.unwrap().unwrap();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }

    async fn status(&self, path: &str, user: &str, body: Value) -> u16 {
        self.post(path, user, &body)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    /// Kills it, like a power cut.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn data() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn activity(data: &TempDir) -> String {
    fs::read_to_string(data.path().join("activity.txt")).unwrap_or_default()
}

/// Waits until a line is in the activity log.
async fn noted(data: &TempDir, line: &str) {
    let wait = async {
        while !activity(data).contains(line) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let end = timeout(FOREVER, wait).await;
    assert!(end.is_ok(), "no `{line}` in: {}", activity(data));
}

/// Where the call that waits is decided on.
fn approval(events: &[Value]) -> String {
    let (chat, held) = (&events[0]["data"], events.last().unwrap());
    let [chat, approval] = [chat, &held["data"]["approval"]].map(|id| id.as_str().unwrap());
    format!("/approvals/{chat}/{approval}")
}

fn text(events: &[Value]) -> String {
    let texts = events.iter().filter(|event| event["type"] == "text");
    texts.map(|event| event["data"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_chat_streams_its_events_and_continues() {
    let data = data();
    let service = Service::start(data.path());
    let events = service
        .events("/chat", "ann", json!({"message": "find cardiology"}))
        .await;
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[..3], ["chat", "call", "result"]);
    assert_eq!(kinds.last(), Some(&"done"));
    assert!(
        text(&events).contains("cardiology, Monday 9:00"),
        "{events:?}"
    );

    let chat = &events[0]["data"];
    let more = json!({"chat": chat, "message": "How long is this?"});
    let events = service.events("/chat", "ann", more.clone()).await;
    assert!(text(&events).contains("has 6 messages"), "{events:?}");
    assert_eq!(
        service.status("/chat", "bob", more).await,
        404,
        "it is ann's"
    );
    assert_eq!(
        service.status("/chat", "", json!({"message": "Hi."})).await,
        401
    );
}

#[tokio::test]
async fn a_client_that_disconnects_drops_its_tools() {
    let data = data();
    let service = Service::start(data.path());
    let slow = json!({"message": "find archive"});
    let mut answer = service.post("/chat", "ann", &slow).send().await.unwrap();
    let first = answer.chunk().await.unwrap().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    let chat = first
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    let chat: Value = serde_json::from_str(chat).unwrap();
    noted(&data, "find_slots has begun").await;
    let more = json!({"chat": chat["data"], "message": "Well?"});
    assert_eq!(
        service.status("/chat", "ann", more.clone()).await,
        409,
        "one request at a time"
    );
    drop(answer);
    noted(&data, "find_slots was dropped").await;

    // The history has the call, and that it was cancelled.
    let events = loop {
        let answer = service.post("/chat", "ann", &more).send().await.unwrap();
        match answer.status().as_u16() {
            409 => sleep(Duration::from_millis(20)).await,
            _ => break answer.text().await.unwrap(),
        }
    };
    assert!(events.contains("\"done\""), "{events}");
    let stored = fs::read_dir(data.path())
        .unwrap()
        .map(|file| file.unwrap().path());
    let stored = stored.filter(|path| path.to_string_lossy().contains("conversation-"));
    let stored = fs::read_to_string(stored.last().unwrap()).unwrap();
    assert!(stored.contains("cancelled"), "{stored}");
}

#[tokio::test]
async fn an_approval_survives_a_restart_and_is_used_once() {
    let data = data();
    let service = Service::start(data.path());
    let events = service
        .events("/chat", "ann", json!({"message": "book Monday 9:00"}))
        .await;
    let held = events.last().unwrap();
    assert_eq!(held["type"], "held");
    assert_eq!(held["data"]["calls"][0]["tool"], "book_slot");
    let path = approval(&events);
    let chat = &events[0]["data"];
    let more = json!({"chat": chat, "message": "Well?"});
    assert_eq!(
        service.status("/chat", "ann", more).await,
        409,
        "decide first"
    );
    service.kill();
    assert_eq!(activity(&data), "", "nothing was booked");

    let service = Service::start(data.path());
    let approve = || json!({"approve": true});
    assert_eq!(
        service.status(&path, "bob", approve()).await,
        404,
        "it is ann's"
    );
    let events = service.events(&path, "ann", approve()).await;
    assert!(
        text(&events).contains("booked Monday 9:00 for ann"),
        "{events:?}"
    );
    assert_eq!(activity(&data), "ann booked Monday 9:00\n");
    assert_eq!(service.status(&path, "ann", approve()).await, 404, "used");
    let nowhere = "/approvals/..%2F..%2Fetc%2Fpasswd/x";
    assert_eq!(service.status(nowhere, "ann", approve()).await, 400);
}

#[tokio::test]
async fn a_refusal_is_read_by_the_model() {
    let data = data();
    let service = Service::start(data.path());
    let events = service
        .events("/chat", "ann", json!({"message": "book Monday 9:00"}))
        .await;
    let path = approval(&events);
    let refusal = json!({"approve": false, "reason": "not on a Monday"});
    let events = service.events(&path, "ann", refusal).await;
    assert!(text(&events).contains("not on a Monday"), "{events:?}");
    assert_eq!(activity(&data), "");
}

/// An active request is answered before the program ends.
#[cfg(unix)]
#[tokio::test]
async fn graceful_shutdown_answers_active_requests_first() {
    let data = data();
    let mut service = Service::start(data.path());
    let slow = json!({"message": "find cardiology"});
    let answer = service.post("/chat", "ann", &slow).send().await.unwrap();
    noted(&data, "find_slots has begun").await;
    let id = service.process.id().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    let text = timeout(FOREVER, answer.text()).await.unwrap().unwrap();
    assert!(text.contains("\"done\""), "{text}");
    assert!(service.process.wait().unwrap().success());
}
