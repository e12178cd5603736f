//! What others may try: markup, forged and senseless requests.

use super::*;

#[tokio::test]
async fn markup_is_text_wherever_it_comes_from() {
    const MARKUP: &str = "<script>alert(1)</script><img src=x onerror=\"alert(2)\">'\"";
    let data = data();
    let dashboard = Dashboard::start(data.path(), "0");
    dashboard.page("/").await;
    execute(
        &data,
        r#"INSERT INTO patients VALUES ('P-666', '<script>alert(1)</script><img src=x onerror="alert(2)">', '<b>', '<i>', '</script>');
           INSERT INTO allergies VALUES ('P-666', '<script>', '" onload="', '</td>')"#,
    )
    .await;
    let run = dashboard.run("P-666", MARKUP).await;
    let events = dashboard.events(&run.1, "0").await;
    let note = dashboard
        .run("P-666", "Add a note: <script>alert(3)</script>")
        .await;
    let held = dashboard.over(&note).await;
    let search = dashboard.page("/?q=%3Cscript%3E%22").await;
    for page in [
        dashboard.page("/").await,
        dashboard.page(&run.0).await,
        held,
        search,
    ] {
        assert_eq!(page.matches("<script").count(), 1, "{page}"); // its own
        assert!(
            !page.contains("<img") && !page.contains(r#"" onload="#) && !page.contains("<i>"),
            "{page}"
        );
    }
    assert!(
        events.contains("&lt;script&gt;")
            && !events.contains("<script")
            && !events.contains("<img")
    );
}

#[tokio::test]
async fn other_sites_change_nothing() {
    let data = data();
    let dashboard = Dashboard::start(data.path(), "0");
    let path = format!("{}/patients/P-00123/runs", dashboard.url);
    let form = [("prompt", SUMMARY)];
    for origin in [
        None,
        Some("null"),
        Some("https://evil.example"),
        Some("http://127.0.0.1:1"),
    ] {
        let post = dashboard.http.post(&path).form(&form);
        let post = origin
            .into_iter()
            .fold(post, |post, origin| post.header("origin", origin));
        assert_eq!(post.send().await.unwrap().status(), 403, "{origin:?}");
    }
    let rebound = dashboard
        .http
        .get(&dashboard.url)
        .header("host", "evil.example:80");
    assert_eq!(rebound.send().await.unwrap().status(), 421);
    assert!(!dashboard.page("/patients/P-00123").await.contains("?run="));
    let page = dashboard.get("/").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let data = data();
    let dashboard = Dashboard::start(data.path(), "0");
    for path in [
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/patients/..%2f..%2fetc%2fpasswd",
        "/patients/P-99999",
        "/patients/P-00123?run=00000000-0000-4000-8000-000000000000",
        "/style.css/../main.rs",
    ] {
        assert_eq!(dashboard.get(path).await.status(), 404, "{path}");
    }
    assert_eq!(dashboard.get("/patients/P-00123?run=1").await.status(), 400);
    let runs = "/patients/P-00123/runs";
    for (prompt, status) in [
        ("x".repeat(20_000), 413),
        ("x".repeat(1_001), 400),
        (" ".to_owned(), 400),
    ] {
        assert_eq!(
            dashboard.post(runs, &[("prompt", &prompt)]).await.status(),
            status
        );
    }
    assert_eq!(
        dashboard
            .post("/patients/P-99999/runs", &[("prompt", "x")])
            .await
            .status(),
        404
    );
    // A run of another patient is no earlier conversation.
    let (_, other) = dashboard.run("P-00124", SUMMARY).await;
    assert_eq!(
        dashboard
            .post(runs, &[("prompt", "x"), ("follows", &other)])
            .await
            .status(),
        404
    );
}
