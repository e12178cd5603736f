//! Everything is bounded, and past a bound the latest calls are answered.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tool_core::{CallContext, DispatchEvent, Dispatcher, Limits, ToolCall, tool, tools};

use crate::support::{calls, codes, contents};

/// Take anything.
#[tool]
async fn take(text: Option<String>, value: Option<Value>) -> usize {
    sleep(Duration::from_millis(10)).await;
    text.map_or(0, |text| text.len()) + usize::from(value.is_some())
}

/// Say a letter many times.
#[tool]
async fn say(letter: String, times: usize, after: Option<u64>) -> String {
    sleep(Duration::from_millis(after.unwrap_or_default())).await;
    letter.repeat(times)
}

/// List numbers.
#[tool]
async fn list(numbers: usize) -> Vec<usize> {
    (0..numbers).collect()
}

fn limited(set: impl FnOnce(&mut Limits)) -> Dispatcher {
    Dispatcher::new(tools![take, say, list]).with_limits(set)
}

fn many(calls: usize) -> Vec<ToolCall> {
    (0..calls)
        .map(|call| ToolCall::new(call.to_string(), "take", "{}"))
        .collect()
}

#[test]
fn the_bounds_are_finite_and_can_be_read() {
    let limits = Limits::default();
    assert_eq!(
        (
            limits.argument_bytes,
            limits.argument_depth,
            limits.calls,
            limits.queue
        ),
        (1 << 20, 64, 1024, 16384)
    );
    assert_eq!(
        (
            limits.nesting,
            limits.output_bytes,
            limits.batch_output_bytes
        ),
        (8, 256 << 10, 4 << 20)
    );
    assert_eq!(
        (limits.progress_events, limits.queue_time),
        (256, Some(Duration::from_secs(600)))
    );
    let dispatcher = limited(|limits| limits.calls = 1);
    let again = dispatcher.clone().with_limits(|limits| limits.queue = 2);
    assert_eq!(
        (dispatcher.limits().calls, dispatcher.limits().queue),
        (1, 16384)
    );
    assert_eq!((again.limits().calls, again.limits().queue), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_length_of_arguments_is_bounded() {
    let fits = r#"{"text": "0123456789"}"#;
    let over = r#"{"text": "0123456789" }"#;
    let results = limited(|limits| limits.argument_bytes = fits.len())
        .dispatch(calls([("take", fits), ("take", over)]))
        .await;
    assert_eq!(codes(&results), ["ok", "too_large"]);
    assert!(results[1].started().is_none());
    assert!(
        results[1].content().contains("23 bytes") && results[1].content().contains("22"),
        "{}",
        results[1].content()
    );
}

#[tokio::test(start_paused = true)]
async fn the_depth_of_arguments_is_bounded() {
    let nested =
        |depth: usize| format!(r#"{{"value": {}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let (fits, over) = (nested(63), nested(64));
    let results = limited(|_| {})
        .dispatch(calls([("take", &fits), ("take", &over)]))
        .await;
    assert_eq!(codes(&results), ["ok", "too_large"]);

    // However deep the program would let it be, the stack holds.
    let results = limited(|limits| limits.argument_depth = usize::MAX)
        .dispatch(calls([("take", &nested(200_000))]))
        .await;
    assert_ne!(codes(&results), ["ok"]);
}

#[tokio::test(start_paused = true)]
async fn calls_over_the_message_limit_are_answered_not_run() {
    let results = limited(|_| {}).dispatch(many(1030)).await;
    let codes = codes(&results);
    assert_eq!(codes[..1024], ["ok"; 1024]);
    assert_eq!(codes[1024..], ["overloaded"; 6]);
    assert!(
        results
            .iter()
            .enumerate()
            .all(|(at, result)| result.position() == at && result.id() == at.to_string())
    );

    let results = limited(|limits| limits.calls = 0).dispatch(many(2)).await;
    assert_eq!(self::codes(&results), ["overloaded"; 2]);
}

#[tokio::test(start_paused = true)]
async fn calls_over_the_queue_limit_are_answered_not_run() {
    let dispatcher = limited(|limits| limits.queue = 5).with_max_concurrency(1);
    let clone = dispatcher.clone();
    let (first, second) = tokio::join!(dispatcher.dispatch(many(4)), async {
        tokio::task::yield_now().await;
        clone.dispatch(many(10)).await
    });
    assert_eq!(codes(&first), ["ok"; 4]);
    let second = codes(&second);
    let (waited, refused) = second.split_at(second.iter().position(|code| *code != "ok").unwrap());
    assert!((1..=3).contains(&waited.len()), "{second:?}");
    assert!(
        refused.iter().all(|code| *code == "overloaded"),
        "{second:?}"
    );
    // It takes as many again when they are done.
    assert_eq!(codes(&dispatcher.dispatch(many(4)).await), ["ok"; 4]);
}

#[tokio::test(start_paused = true)]
async fn text_keeps_its_head_and_tail_and_is_cut_at_characters() {
    let dispatcher = limited(|limits| limits.output_bytes = 1000);
    for letter in ["x", "é", "€", "🦀"] {
        let times =
            |bytes: usize| json!({"letter": letter, "times": bytes / letter.len()}).to_string();
        let (fits, over) = (times(1000), times(10_000));
        let results = dispatcher
            .dispatch(calls([("say", &fits), ("say", &over)]))
            .await;
        let [whole, cut] = [0, 1].map(|at| contents(&results)[at].clone());
        assert_eq!(whole, letter.repeat(1000 / letter.len()));
        assert!(cut.len() <= 1000, "{} bytes", cut.len());
        assert!(cut.starts_with(letter) && cut.ends_with(letter), "{cut}");
        assert!(cut.contains("left out") || cut.contains("omitted"), "{cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn json_stays_json() {
    #[derive(Serialize)]
    struct Report {
        title: &'static str,
        lines: Vec<String>,
        nested: Vec<Vec<Vec<usize>>>,
        last: u32,
    }

    /// Make a report.
    #[tool]
    async fn report(lines: usize) -> Report {
        let text = |at| format!("line {at} with \"quotes\" and \\ and é");
        Report {
            title: "Report",
            lines: (0..lines).map(text).collect(),
            nested: vec![vec![vec![7; lines]; 3]; 3],
            last: 7,
        }
    }

    for most in [1, 100, 500, 1000, 5000] {
        let dispatcher =
            Dispatcher::new(tools![report, list]).with_limits(|limits| limits.output_bytes = most);
        let results = dispatcher
            .dispatch(calls([
                ("report", r#"{"lines": 1000}"#),
                ("list", r#"{"numbers": 100000}"#),
            ]))
            .await;
        assert_eq!(codes(&results), ["ok", "ok"]);
        for result in &results {
            let content = result.content();
            let parsed = serde_json::from_str::<Value>(&content);
            assert!(parsed.is_ok(), "at most {most}: {content:.300}");
            assert!(
                content.len() <= most.max(300),
                "at most {most}, but {}: {content:.300}",
                content.len()
            );
        }
    }
    let dispatcher = Dispatcher::new(tools![list]).with_limits(|limits| limits.output_bytes = 200);
    let whole = json!((0..20).collect::<Vec<_>>()).to_string();
    assert_eq!(
        contents(
            &dispatcher
                .dispatch(calls([("list", r#"{"numbers": 20}"#)]))
                .await
        ),
        [whole]
    );
}

#[tokio::test(start_paused = true)]
async fn the_outputs_of_a_message_are_bounded_together() {
    let dispatcher = limited(|limits| limits.batch_output_bytes = 10_000);
    let say = |after: u64| {
        ToolCall::new(
            "",
            "say",
            json!({"letter": "x", "times": 4000, "after": after}).to_string(),
        )
    };
    let results = dispatcher
        .dispatch(vec![say(3), say(1), say(2), say(4), say(5)])
        .await;
    assert_eq!(codes(&results), ["ok"; 5]);
    let lengths: Vec<_> = results
        .iter()
        .map(|result| result.content().len())
        .collect();
    // The first two to finish are whole, the rest shares what is left.
    assert_eq!(lengths[1..3], [4000, 4000]);
    assert!(
        lengths[0] <= 2500 && lengths[3] < 1000 && lengths[4] < 1000,
        "{lengths:?}"
    );
    // The next message has bytes of its own.
    assert_eq!(
        dispatcher.dispatch(vec![say(0)]).await[0].content().len(),
        4000
    );
}

#[tokio::test(start_paused = true)]
async fn the_oldest_progress_events_are_dropped_and_no_result_is() {
    /// Report very often.
    #[tool]
    async fn chatter(#[context] cx: &CallContext) {
        for number in 0..1000 {
            cx.progress(number.to_string(), None);
        }
    }

    for most in [0, 1, 256] {
        let dispatcher =
            Dispatcher::new(tools![chatter]).with_limits(|limits| limits.progress_events = most);
        let mut events = dispatcher
            .stream(calls([
                ("chatter", "{}"),
                ("gone", "{}"),
                ("chatter", "{}"),
            ]))
            .events();
        let first = events.next().await.unwrap();
        sleep(Duration::from_secs(1)).await;
        let mut seen = vec![first];
        while let Some(event) = timeout(Duration::from_secs(1), events.next())
            .await
            .unwrap()
        {
            seen.push(event);
        }
        let results = seen
            .iter()
            .filter(|event| matches!(event, DispatchEvent::Result(_)))
            .count();
        assert_eq!(results, 3);
        assert!(
            seen.len() - results <= most + 1,
            "{} for {most}",
            seen.len() - results
        );
        let last = seen.iter().rev().find_map(|event| {
            if let DispatchEvent::Progress(progress) = event {
                Some(&*progress.message)
            } else {
                None
            }
        });
        assert!(most == 0 || last == Some("999"), "{last:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_model_wrote_is_clipped_before_it_is_repeated() {
    let name = "n".repeat(100_000);
    let key = format!(r#"{{"{}": 1}}"#, "k".repeat(100_000));
    let results = limited(|_| {})
        .dispatch(calls([(name.as_str(), "{}"), ("list", &key)]))
        .await;
    assert_eq!(codes(&results), ["unknown_tool", "invalid_arguments"]);
    for result in results {
        assert!(
            result.content().len() < 2000,
            "{} bytes",
            result.content().len()
        );
    }
}

#[tokio::test]
async fn error_text_has_the_bound_of_an_output() {
    /// Say much of what went wrong.
    #[tool]
    async fn rant() -> Result<(), String> {
        Err("no ".repeat(100_000))
    }

    let dispatcher = Dispatcher::new(tools![rant]).with_limits(|limits| limits.output_bytes = 1000);
    let results = dispatcher.dispatch(calls([("rant", "{}")])).await;
    let error = results[0].outcome().unwrap_err();
    assert!(
        error.message_for_model().len() <= 1000
            && error.message_for_model().contains(" bytes left out]"),
        "{}",
        error.message_for_model()
    );
    assert_eq!(
        std::error::Error::source(error).unwrap().to_string().len(),
        300_000
    ); // the program gets all of it
}
