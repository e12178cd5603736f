//! Two hundred runs at once.

use super::*;

#[tokio::test]
async fn two_hundred_runs_at_once_lose_no_event() {
    let data = data();
    let dashboard = Dashboard::start(data.path(), "20");
    let runs = (0..200).map(|number| {
        dashboard.run(
            ["P-00123", "P-00124", "P-00125", "P-00126"][number % 4],
            SUMMARY,
        )
    });
    let runs = join_all(runs).await;
    let events = runs.iter().map(|(_, run)| dashboard.events(run, "0"));
    for events in timeout(LONG * 3, join_all(events)).await.unwrap() {
        assert!(
            events.contains("event: over") && events.contains("Finished in"),
            "{events}"
        );
    }
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", data.path().join("patients.db").display());
    let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
    let (runs, gaps): (i64, i64) = sqlx::query_as(
        "SELECT COUNT(*), SUM(newest != number) FROM
         (SELECT MAX(seq) AS newest, COUNT(*) AS number FROM run_events GROUP BY run_id)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!((runs, gaps), (200, 0));
    #[cfg(target_os = "linux")]
    {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", dashboard.process.id())).unwrap();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        let kibibytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kibibytes < 512 * 1024, "{kibibytes} KiB");
        println!("{} MiB at most", kibibytes / 1024);
    }
}
