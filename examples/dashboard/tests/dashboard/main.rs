//! The dashboard as browsers meet it: a process, HTTP, and a database that outlives it.

#![cfg(test)] // for clippy, which allows `unwrap` in tests

mod attacks;
mod load;
mod spans;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Response, StatusCode, redirect};
use sqlx::Connection;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Longer than anything takes that ends.
const LONG: Duration = Duration::from_secs(60);

const SUMMARY: &str = "Generate a complete clinical summary.";

struct Dashboard {
    process: Child,
    url: String,
    http: reqwest::Client,
}

impl Dashboard {
    fn start(data: &Path, latency: &str) -> Self {
        Self::start_with(data, &["--latency", latency])
    }

    fn start_with(data: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_dashboard"))
            .args(arguments)
            .arg("--data")
            .arg(data)
            .env_remove("OPENAI_API_KEY")
            .env_remove("OPENAI_BASE_URL")
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = lines.next().unwrap().unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none());
        Self {
            process,
            url,
            http: http.build().unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Response {
        self.http
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap()
    }

    async fn page(&self, path: &str) -> String {
        let page = self.get(path).await;
        assert_eq!(page.status(), 200, "{path}");
        page.text().await.unwrap()
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let post = self.http.post(format!("{}{path}", self.url));
        post.header("origin", &self.url)
            .form(form)
            .send()
            .await
            .unwrap()
    }

    /// Where a form leads to.
    async fn sent(&self, path: &str, form: &[(&str, &str)]) -> String {
        let answer = self.post(path, form).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    /// Starts a run: its page, and its id.
    async fn run(&self, patient: &str, prompt: &str) -> (String, String) {
        let form = [("prompt", prompt)];
        let page = self.sent(&format!("/patients/{patient}/runs"), &form).await;
        let id = page.rsplit_once('=').unwrap().1.to_owned();
        (page, id)
    }

    /// All events of a run after one, until it is over.
    async fn events(&self, run: &str, after: &str) -> String {
        let events = self.get(&format!("/runs/{run}/events?after={after}")).await;
        timeout(LONG, events.text()).await.unwrap().unwrap()
    }

    /// The page of a run that is over.
    async fn over(&self, (page, run): &(String, String)) -> String {
        self.events(run, "0").await;
        self.page(page).await
    }

    /// As a power cut ends it.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// As a service manager stops it.
    fn stop(mut self) {
        let pid = self.process.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn data() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// SQL in the dashboard's database.
async fn execute(data: &TempDir, sql: &'static str) {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", data.path().join("patients.db").display());
    let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// The value of a hidden field.
fn hidden<'a>(page: &'a str, name: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!(r#"name="{name}" value=""#))
        .unwrap();
    rest.split_once('"').unwrap().0
}

#[tokio::test]
async fn patients_are_found_by_name_and_id() {
    let (data, found) = (data(), |page: &str| page.matches("<td><a ").count());
    let dashboard = Dashboard::start(data.path(), "0");
    assert_eq!(found(&dashboard.page("/").await), 4);
    for (search, expected) in [
        ("JANA", 1),
        ("p-0012", 4),
        ("%25", 0),
        ("_", 0),
        ("%27%20OR%201=1", 0),
        ("O%27N", 1),
        ("%00", 4),
    ] {
        assert_eq!(
            found(&dashboard.page(&format!("/?q={search}")).await),
            expected,
            "{search}"
        );
    }
}

#[tokio::test]
async fn a_run_fills_the_page_of_its_patient() {
    let data = data();
    let dashboard = Dashboard::start(data.path(), "100");
    let run = dashboard.run("P-00123", SUMMARY).await;
    let early = dashboard.page(&run.0).await;
    assert!(
        early.contains("data-events=") && early.contains(">Stop<"),
        "{early}"
    );
    let events = dashboard.events(&run.1, "0").await;
    for part in [
        "Running: turn 1.",
        "Loading…",
        "Running: turn 2.",
        "event: over",
    ] {
        assert!(events.contains(part), "{part}");
    }
    let page = dashboard.page(&run.0).await;
    for part in [
        "<td>Ramipril</td>",
        "<td>Iodinated contrast</td>",
        "jana.dvorak@example.org",
        "reference range 45-84",
        "Finished in",
        " tokens (",
        "Born",
        "Timeline: 4 calls",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("data-events="));
    let recording = dashboard.page(&format!("/runs/{}/recording", run.1)).await;
    for part in ["get_patient_allergies", "Iodinated contrast", "<svg"] {
        assert!(recording.contains(part), "{part}");
    }
    // The patient's own page shows the latest run.
    assert!(
        dashboard
            .page("/patients/P-00123")
            .await
            .contains("Finished in")
    );

    let follow = [("prompt", "Which allergies?"), ("follows", run.1.as_str())];
    let next = dashboard.sent("/patients/P-00123/runs", &follow).await;
    let id = next.rsplit_once('=').unwrap().1;
    dashboard.events(id, "0").await;
    let page = dashboard.page(&next).await;
    assert!(
        page.contains("Amoxicillin") && page.contains("Not asked for."),
        "{page}"
    );
    assert_eq!(page.matches("?run=").count(), 2, "both are in the history");
}

#[tokio::test]
async fn a_page_that_comes_later_catches_up() {
    let data = data();
    let dashboard = Dashboard::start(data.path(), "200");
    let (_, run) = dashboard.run("P-00123", SUMMARY).await;
    let viewers = (0..50).map(|_| dashboard.events(&run, "0"));
    let seen = timeout(LONG, join_all(viewers)).await.unwrap();
    let last = seen[0]
        .lines()
        .rfind(|line| line.starts_with("id: "))
        .unwrap();
    for events in &seen {
        assert!(events.contains("event: over") && events.contains(last));
        for card in ["Ramipril", "Amoxicillin", "Creatinine", "1968-11-02"] {
            assert!(events.contains(card), "{card}");
        }
    }
    let after = dashboard
        .events(&run, last.trim_start_matches("id: "))
        .await;
    assert_eq!(after.matches("event: ").count(), 1, "{after}");
}

#[tokio::test]
async fn an_approval_survives_a_restart_and_is_used_once() {
    let data = data();
    let dashboard = Dashboard::start(data.path(), "0");
    let run = dashboard
        .run("P-00124", "Add a note: call <b>back</b> & ask")
        .await;
    let page = dashboard.over(&run).await;
    assert!(page.contains("Waiting for your approval."), "{page}");
    let approval = hidden(&page, "approval").to_owned();
    dashboard.kill();

    let dashboard = Dashboard::start(data.path(), "0");
    let page = dashboard.page(&run.0).await;
    assert_eq!(hidden(&page, "approval"), approval);
    let path = format!("/runs/{}/decisions", run.1);
    let other = "00000000-0000-4000-8000-000000000000";
    let form = |approval| {
        [
            ("approval", approval),
            ("position", "0"),
            ("decision", "approve"),
        ]
    };
    assert_eq!(dashboard.post(&path, &form(other)).await.status(), 409);
    let both = [form(&approval), form(&approval)];
    let both = join_all(both.iter().map(|form| dashboard.post(&path, form))).await;
    let mut statuses = both
        .iter()
        .map(|answer| answer.status().as_u16())
        .collect::<Vec<_>>();
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409]);
    let page = dashboard.over(&run).await;
    assert!(page.contains("The note is in the record."), "{page}");
    assert_eq!(
        page.matches("<li>call &lt;b&gt;back&lt;/b&gt; &amp; ask ")
            .count(),
        1,
        "{page}"
    );

    let denied = dashboard.run("P-00124", "Add a note: nothing").await;
    let page = dashboard.over(&denied).await;
    let form = [
        ("approval", hidden(&page, "approval")),
        ("position", "0"),
        ("decision", "deny"),
    ];
    dashboard
        .sent(&format!("/runs/{}/decisions", denied.1), &form)
        .await;
    let page = dashboard.over(&denied).await;
    assert!(
        page.contains("the user denied it") && !page.contains("<li>nothing"),
        "{page}"
    );
}

#[tokio::test]
async fn no_request_loses_an_approval() {
    let data = data();
    let dashboard = Dashboard::start(data.path(), "0");
    let run = dashboard.run("P-00124", "Add a note: once").await;
    let path = format!("/runs/{}/decisions", run.1);
    let mut page = dashboard.over(&run).await;
    // A decision on a call that is not there.
    let approval = hidden(&page, "approval").to_owned();
    let form = [
        ("approval", approval.as_str()),
        ("position", "7"),
        ("decision", "approve"),
    ];
    dashboard.sent(&path, &form).await;
    page = dashboard.over(&run).await;
    assert!(page.contains("Waiting for your approval."), "{page}");
    // Browsers that go away at once.
    for tries in 0.. {
        assert!(tries < 100, "{page}");
        let approval = hidden(&page, "approval").to_owned();
        let form = [
            ("approval", approval.as_str()),
            ("position", "0"),
            ("decision", "approve"),
        ];
        _ = timeout(
            Duration::from_micros(300 * tries),
            dashboard.post(&path, &form),
        )
        .await;
        sleep(Duration::from_millis(20)).await;
        page = dashboard.over(&run).await;
        if !page.contains("Waiting for your approval.") {
            break;
        }
    }
    assert!(page.contains("The note is in the record."), "{page}");
    assert_eq!(page.matches("<li>once ").count(), 1, "{page}");
}

#[tokio::test]
async fn a_run_is_stopped_and_so_is_the_server() {
    let data = data();
    let dashboard = Dashboard::start(data.path(), "20000");
    let first = dashboard.run("P-00123", SUMMARY).await;
    sleep(Duration::from_millis(300)).await;
    dashboard
        .sent(&format!("/runs/{}/stop", first.1), &[])
        .await;
    assert!(dashboard.over(&first).await.contains("Stopped."));

    let (second, killed) = (
        dashboard.run("P-00123", SUMMARY).await,
        dashboard.run("P-00126", SUMMARY).await,
    );
    sleep(Duration::from_millis(300)).await;
    let (page, _) = &second;
    assert!(dashboard.page(page).await.contains("Loading…"));
    dashboard.stop();
    let dashboard = Dashboard::start(data.path(), "20000");
    for run in [&second, &killed] {
        assert!(dashboard.page(&run.0).await.contains("Stopped."));
    }
    let run = dashboard.run("P-00123", SUMMARY).await;
    sleep(Duration::from_millis(300)).await;
    dashboard.kill();
    let dashboard = Dashboard::start(data.path(), "0");
    assert!(
        dashboard
            .page(&run.0)
            .await
            .contains("Failed: the server was stopped")
    );
    assert!(
        dashboard
            .over(&dashboard.run("P-00123", SUMMARY).await)
            .await
            .contains("Finished in")
    );
}

#[tokio::test]
async fn a_failed_tool_is_retried_alone() {
    let data = data();
    let dashboard = Dashboard::start(data.path(), "0");
    dashboard.page("/").await;
    execute(&data, "ALTER TABLE allergies RENAME TO allergies_away").await;
    let run = dashboard.run("P-00123", SUMMARY).await;
    let page = dashboard.over(&run).await;
    assert!(
        page.contains("the patient database failed; try once more"),
        "{page}"
    );
    assert!(page.contains("<td>Ramipril</td>") && page.contains(">Retry<"));
    execute(&data, "ALTER TABLE allergies_away RENAME TO allergies").await;
    let (_, rest) = page.split_once("/calls/").unwrap();
    let call = rest.split_once('/').unwrap().0;
    let retry = format!("/runs/{}/calls/{call}/retry", run.1);
    dashboard.sent(&retry, &[]).await;
    let page = dashboard.over(&run).await;
    assert!(
        page.contains("<td>Amoxicillin</td>") && !page.contains(">Retry<"),
        "{page}"
    );
    for path in [retry, format!("/runs/{}/calls/99/retry", run.1)] {
        assert_eq!(dashboard.post(&path, &[]).await.status(), 409, "{path}");
    }
}
