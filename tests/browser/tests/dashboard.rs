//! What people do with the dashboard, and what goes wrong meanwhile.

use std::time::Duration;

use browser_tests::{Dashboard, Postgres, Window};
use tempfile::TempDir;
use tokio::time::sleep;

const STATUS: &str = "document.querySelector('[role=status]').innerText";

fn data() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The page of a patient.
async fn open(window: &Window, dashboard: &Dashboard, patient: &str) {
    let url = format!("{}/patients/{patient}", dashboard.url);
    window.goto(&url).await;
}

async fn finished(window: &Window) {
    window
        .wait(&format!(
            "{STATUS}.startsWith('Finished') && !document.querySelector('[data-events]')"
        ))
        .await;
}

/// The order in which cards have been filled, written down from the page's start.
const WATCH: &str = "window.filled = []; addEventListener('DOMContentLoaded', () => {
    for (const card of document.querySelectorAll('.cards section')) {
        const body = card.querySelector('div');
        new MutationObserver(() => {
            const title = card.querySelector('h2').innerText;
            if (body.querySelector('table, dl') && !filled.includes(title)) filled.push(title);
        }).observe(body, {childList: true});
    }
    addEventListener('pagehide', () => sessionStorage.filled = JSON.stringify(filled));
    if (document.querySelector('[data-events]')) sessionStorage.removeItem('filled');
})";

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_is_generated_from_a_search() {
    let data = data();
    // Long enough to see, and for tools to finish in their own order on a busy machine.
    let dashboard = Dashboard::start(data.path(), 0, &["--latency", "1500"], None);
    let window = Window::open(1100).await;
    window.page.evaluate_on_new_document(WATCH).await.unwrap();
    window.goto(&dashboard.url).await;
    window
        .assert_eq("document.querySelectorAll('tbody tr').length", 4)
        .await;
    window.picture("patients").await;

    // With the keyboard alone.
    window
        .page
        .find_element("input[type=search]")
        .await
        .unwrap()
        .focus()
        .await
        .unwrap()
        .type_str("jana")
        .await
        .unwrap()
        .press_key("Enter")
        .await
        .unwrap();
    window
        .wait("document.querySelectorAll('tbody tr').length === 1")
        .await;
    window
        .page
        .find_element("tbody a")
        .await
        .unwrap()
        .focus()
        .await
        .unwrap()
        .press_key("Enter")
        .await
        .unwrap();
    window.wait_for("No run yet.").await;
    window
        .assert_eq(
            "document.querySelector('h1').innerText",
            "Jana Dvořák".to_owned(),
        )
        .await;
    window
        .page
        .find_element("button.main")
        .await
        .unwrap()
        .focus()
        .await
        .unwrap()
        .press_key("Enter")
        .await
        .unwrap();
    window
        .wait("document.querySelectorAll('[aria-busy=true]').length > 1")
        .await;
    window.picture("running").await;
    finished(&window).await;
    window.picture("finished").await;

    let filled: Vec<String> = serde_json(
        &window
            .value::<String>("sessionStorage.filled")
            .await
            .unwrap(),
    );
    let in_order = [
        "Demographics",
        "Medications",
        "Allergies",
        "Laboratory results",
    ];
    assert_eq!(filled.len(), 4, "{filled:?}");
    assert_ne!(filled, in_order, "cards are filled as their tools finish");
    for text in [
        "Ramipril",
        "Iodinated contrast",
        "jana.dvorak@example.org",
        "Creatinine",
        "tokens",
    ] {
        window.wait_for(text).await;
    }
    window.assert_eq("document.querySelector('#timeline svg').getAttribute('aria-label').startsWith('Timeline: 4 calls')", true).await;
    // Each bar begins before any has ended.
    window
        .assert_eq(
            "(() => { const bars = [...document.querySelectorAll('#timeline rect.ran')].map(bar => [+bar.getAttribute('x'), +bar.getAttribute('x') + +bar.getAttribute('width')]);
               return bars.length === 4 && Math.max(...bars.map(bar => bar[0])) < Math.min(...bars.map(bar => bar[1])) })()",
            true,
        )
        .await;
    window
        .assert_eq(
            "document.querySelectorAll('header, main, footer, nav').length",
            4,
        )
        .await;
    let recording: String = window
        .value("document.querySelector('a[href$=recording]').href")
        .await
        .unwrap();
    window.goto(&recording).await;
    // What was asked, each call, and how it ended.
    for text in [
        "Generate a complete clinical summary.",
        "Call 3: get_recent_lab_results",
        "Tokens of the run",
    ] {
        window.wait_for(text).await;
    }
    window
        .assert_eq("document.querySelectorAll('figure svg').length", 1)
        .await;
    window.picture("recording").await;
    window.close().await;
}

fn serde_json(text: &str) -> Vec<String> {
    let inner = text.trim_matches(['[', ']']);
    inner
        .split(',')
        .map(|part| part.trim_matches('"').to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_waits_for_approval_through_a_restart() {
    let data = data();
    let dashboard = Dashboard::start(data.path(), 0, &["--latency", "0"], None);
    let window = Window::open(390).await;
    open(&window, &dashboard, "P-00126").await;
    window
        .page
        .find_element("input[type=text]")
        .await
        .unwrap()
        .focus()
        .await
        .unwrap()
        .type_str("Add a note: call back on Monday")
        .await
        .unwrap();
    window.click("Ask").await;
    window.wait_for("Waiting for your approval.").await;
    window.wait_for("call back on Monday").await;
    window.picture("approval").await;
    window
        .assert_eq("document.documentElement.scrollWidth <= innerWidth", true)
        .await;

    let port = dashboard.port();
    dashboard.kill();
    let _dashboard = Dashboard::start(data.path(), port, &["--latency", "0"], None);
    window.page.reload().await.unwrap();
    window.click("Approve").await;
    finished(&window).await;
    window.wait_for("The note is in the record.").await;
    window.assert_eq("[...document.querySelectorAll('li')].filter(item => item.innerText.startsWith('call back on Monday')).length", 1).await;
    window.picture("approved").await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_continues_without_its_page_and_is_stopped() {
    let data = data();
    let dashboard = Dashboard::start(data.path(), 0, &["--latency", "1500"], None);
    let window = Window::open(1100).await;
    open(&window, &dashboard, "P-00123").await;
    window.click("Generate summary").await;
    window.wait_for("Loading…").await;
    window.page.reload().await.unwrap();
    window.wait_for("Loading…").await;
    window.goto("about:blank").await;
    sleep(Duration::from_millis(500)).await;
    open(&window, &dashboard, "P-00123").await;
    finished(&window).await;
    window.wait_for("Ramipril").await;

    window.click("Generate summary").await;
    window.wait_for("Loading…").await;
    window.click("Stop").await;
    window.wait(&format!("{STATUS} === 'Stopped.'")).await;

    // A server that dies: the page finds the next one by itself.
    window.click("Generate summary").await;
    window.wait_for("Loading…").await;
    let port = dashboard.port();
    dashboard.kill();
    window
        .wait("document.body.classList.contains('offline')")
        .await;
    let _dashboard = Dashboard::start(data.path(), port, &["--latency", "0"], None);
    window
        .wait(&format!("{STATUS} === 'Failed: the server was stopped'"))
        .await;
    window.click("Generate summary").await;
    finished(&window).await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_goes_away_and_comes_back() {
    let (data, postgres) = (data(), Postgres::start());
    let dashboard = Dashboard::start(data.path(), 0, &[], Some(&postgres.url()));
    let window = Window::open(1100).await;
    open(&window, &dashboard, "P-00123").await;
    window.click("Generate summary").await;
    finished(&window).await;
    let shown = |text: String| {
        let lines = text.lines().filter(|line| {
            !line.contains("GMT") && !line.contains(" ms") && !line.contains("Database:")
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let by_postgres = shown(window.text("body").await);

    postgres.down();
    window.goto(&dashboard.url).await;
    window
        .wait_for("The patient database cannot be reached.")
        .await;
    postgres.up();
    open(&window, &dashboard, "P-00123").await;
    window.wait_for("Ramipril").await;

    let slow = Dashboard::start(
        data.path(),
        0,
        &["--latency", "1500"],
        Some(&postgres.url()),
    );
    open(&window, &slow, "P-00123").await;
    window.click("Generate summary").await;
    window.wait_for("Loading…").await;
    postgres.down();
    sleep(Duration::from_secs(8)).await; // longer than a query waits for a connection
    postgres.up();
    finished(&window).await;
    // The tools have said what failed, and can be tried once more.
    window.wait_for("Retry").await;
    window.picture("failed").await;
    while window
        .value::<bool>(
            "[...document.querySelectorAll('button')].some(button => button.innerText === 'Retry')",
        )
        .await
        == Some(true)
    {
        window.click("Retry").await;
        window
            .wait("!document.querySelector('[data-events]')")
            .await;
    }
    window.wait_for("Ramipril").await;
    window.wait_for("Iodinated contrast").await;

    // The same page from SQLite.
    let (other, files) = (Window::open(1100).await, tempfile::tempdir().unwrap());
    let sqlite = Dashboard::start(files.path(), 0, &["--latency", "0"], None);
    open(&other, &sqlite, "P-00123").await;
    other.click("Generate summary").await;
    finished(&other).await;
    assert_eq!(shown(other.text("body").await), by_postgres);
    other.close().await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_fits_a_phone_and_the_dark() {
    use chromiumoxide::cdp::browser_protocol::emulation::{MediaFeature, SetEmulatedMediaParams};
    let data = data();
    let dashboard = Dashboard::start(data.path(), 0, &["--latency", "0"], None);
    let window = Window::open(390).await;
    open(&window, &dashboard, "P-00125").await;
    window.click("Generate summary").await;
    finished(&window).await;
    window
        .assert_eq("document.documentElement.scrollWidth <= innerWidth", true)
        .await;
    window.picture("phone").await;
    let ground = "getComputedStyle(document.body).backgroundColor";
    let light: String = window.value(ground).await.unwrap();
    let dark = SetEmulatedMediaParams::builder()
        .feature(MediaFeature::new("prefers-color-scheme", "dark"));
    window.page.execute(dark.build()).await.unwrap();
    assert_ne!(window.value::<String>(ground).await.unwrap(), light);
    window.picture("dark").await;
    window.close().await;
}
