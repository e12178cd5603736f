//! Calls of a batch run at once, within the limit, and are answered in call order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tool_core::{Dispatcher, ToolCall, Waterfall, tool, tools};

use crate::support::{calls, codes, contents};

/// Wait, and say for how long.
#[tool]
async fn wait(millis: u64) -> u64 {
    sleep(Duration::from_millis(millis)).await;
    millis
}

#[tokio::test(start_paused = true)]
async fn a_batch_takes_as_long_as_its_slowest_call() {
    /// Get the demographics of a patient.
    #[tool]
    async fn demographics(patient: String) -> String {
        sleep(Duration::from_millis(200)).await;
        patient
    }

    /// Get the medications of a patient.
    #[tool]
    async fn medications(patient: String) -> String {
        sleep(Duration::from_millis(180)).await;
        patient
    }

    /// Get the allergies of a patient.
    #[tool]
    async fn allergies(patient: String) -> String {
        sleep(Duration::from_millis(150)).await;
        patient
    }

    let dispatcher = Dispatcher::new(tools![demographics, medications, allergies]);
    let patient = r#"{"patient": "P-1"}"#;
    let begun = Instant::now();
    let results = dispatcher
        .dispatch(calls([
            ("demographics", patient),
            ("medications", patient),
            ("allergies", patient),
        ]))
        .await;

    assert_eq!(begun.elapsed(), Duration::from_millis(200));
    assert_eq!(codes(&results), ["ok", "ok", "ok"]);
    let elapsed: Vec<_> = results
        .iter()
        .map(|result| result.elapsed().as_millis())
        .collect();
    assert_eq!(elapsed, [200, 180, 150]);
    let timeline = Waterfall::new(&results);
    assert_eq!(
        (
            timeline.elapsed().as_millis(),
            timeline.sequential().as_millis()
        ),
        (200, 530)
    );
}

#[tokio::test(start_paused = true)]
async fn results_follow_call_order() {
    let dispatcher = Dispatcher::new(tools![wait]);
    let times = [30, 10, 50, 20, 40];
    let batch = times
        .iter()
        .map(|millis| {
            ToolCall::new(
                format!("id {millis}"),
                "wait",
                format!("{{\"millis\": {millis}}}"),
            )
        })
        .collect();
    let results = dispatcher.dispatch(batch).await;

    let ids: Vec<_> = results.iter().map(|result| result.id()).collect();
    assert_eq!(ids, ["id 30", "id 10", "id 50", "id 20", "id 40"]);
    assert_eq!(contents(&results), ["30", "10", "50", "20", "40"]);
    assert_eq!(
        results
            .iter()
            .map(|result| result.position())
            .collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    let finished: Vec<_> = results
        .iter()
        .map(|result| (result.finished() - result.queued()).as_millis())
        .collect();
    assert_eq!(finished, [30, 10, 50, 20, 40]);
}

#[tokio::test(start_paused = true)]
async fn an_id_given_twice_is_answered_twice() {
    let dispatcher = Dispatcher::new(tools![wait]);
    let call =
        |id: &str, millis: u64| ToolCall::new(id, "wait", format!("{{\"millis\": {millis}}}"));
    let results = dispatcher
        .dispatch(vec![
            call("same", 2),
            call("", 3),
            call("same", 1),
            call("", 4),
        ])
        .await;

    assert_eq!(
        results.iter().map(|result| result.id()).collect::<Vec<_>>(),
        ["same", "", "same", ""]
    );
    assert_eq!(contents(&results), ["2", "3", "1", "4"]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_has_no_results_and_takes_no_time() {
    let begun = Instant::now();
    assert!(
        Dispatcher::new(tools![wait])
            .dispatch(Vec::new())
            .await
            .is_empty()
    );
    assert!(
        Dispatcher::new(tools![])
            .dispatch(Vec::new())
            .await
            .is_empty()
    );
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_one_runs_calls_one_after_the_other_in_call_order() {
    let dispatcher = Dispatcher::new(tools![wait]).with_max_concurrency(1);
    let begun = Instant::now();
    let results = dispatcher
        .dispatch(calls([
            ("wait", r#"{"millis": 30}"#),
            ("wait", r#"{"millis": 10}"#),
            ("wait", r#"{"millis": 20}"#),
        ]))
        .await;

    assert_eq!(begun.elapsed(), Duration::from_millis(60));
    let started: Vec<_> = results
        .iter()
        .map(|result| (result.started().unwrap() - begun.into_std()).as_millis())
        .collect();
    assert_eq!(started, [0, 30, 40]);
}

#[tokio::test(start_paused = true)]
async fn the_limit_holds_for_all_batches_and_clones_together() {
    #[derive(Default)]
    struct Gauge {
        now: AtomicUsize,
        most: AtomicUsize,
    }

    /// Be counted while it runs.
    #[tool]
    async fn counted(#[state] gauge: &Gauge, millis: u64) {
        let now = gauge.now.fetch_add(1, Ordering::SeqCst) + 1;
        gauge.most.fetch_max(now, Ordering::SeqCst);
        sleep(Duration::from_millis(millis)).await;
        gauge.now.fetch_sub(1, Ordering::SeqCst);
    }

    let gauge = Arc::new(Gauge::default());
    let dispatcher = Dispatcher::new(tools![counted].with_shared_state(Arc::clone(&gauge)))
        .with_max_concurrency(3);
    let batch = || {
        (0..10)
            .map(|call| {
                ToolCall::new(
                    call.to_string(),
                    "counted",
                    format!("{{\"millis\": {}}}", 5 + call % 3),
                )
            })
            .collect()
    };
    let (first, second) = (dispatcher.clone(), dispatcher.clone());
    let (a, b, c) = tokio::join!(
        first.dispatch(batch()),
        second.dispatch(batch()),
        dispatcher.dispatch(batch())
    );

    for results in [a, b, c] {
        assert_eq!(codes(&results), ["ok"; 10]);
    }
    assert_eq!(gauge.most.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn sixty_four_calls_run_at_once_unless_set() {
    let dispatcher = Dispatcher::new(tools![wait]);
    let batch = (0..65)
        .map(|call| ToolCall::new(call.to_string(), "wait", r#"{"millis": 10}"#))
        .collect();
    let results = dispatcher.dispatch(batch).await;

    let waited: Vec<_> = results
        .iter()
        .map(|result| (result.started().unwrap() - result.queued()).as_millis())
        .collect();
    assert_eq!(waited[..64], [0; 64]);
    assert_eq!(waited[64], 10);
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_for_the_caller_to_poll_again() {
    let dispatcher = Dispatcher::new(tools![wait]);
    let mut batch = Box::pin(dispatcher.dispatch(calls([
        ("wait", r#"{"millis": 10}"#),
        ("wait", r#"{"millis": 20}"#),
    ])));
    let polled_once =
        std::future::poll_fn(|context| Poll::Ready(batch.as_mut().poll(context))).await;
    assert!(polled_once.is_pending());
    sleep(Duration::from_secs(60)).await;
    let results = batch.await;

    let finished: Vec<_> = results
        .iter()
        .map(|result| (result.finished() - result.queued()).as_millis())
        .collect();
    assert_eq!(finished, [10, 20]);
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_before_the_first_poll() {
    let dispatcher = Dispatcher::new(tools![wait]);
    let batch = dispatcher.dispatch(calls([("wait", r#"{"millis": 10}"#)]));
    sleep(Duration::from_secs(1)).await;
    let polled = Instant::now().into_std();
    let results = batch.await;
    assert_eq!(results[0].started(), Some(polled));
    assert_eq!(results[0].queued(), polled);
}

#[tokio::test(start_paused = true)]
async fn an_answer_known_at_once_is_stamped_at_once() {
    let dispatcher = Dispatcher::new(tools![wait]);
    let results = dispatcher
        .dispatch(calls([("wait", r#"{"millis": 200}"#), ("send_mail", "{}")]))
        .await;
    assert_eq!(results[1].started(), None);
    assert_eq!(results[1].finished(), results[1].queued());
    assert_eq!(results[1].elapsed(), Duration::ZERO);
}
