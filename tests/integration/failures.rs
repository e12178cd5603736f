//! A failure is reported in the slot of its own call; its siblings finish.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use tokio::time::sleep;
use tool_core::{CallContext, Dispatcher, ErrorCode, ToolError, ToolOutput, tool, tools};

use crate::support::{calls, codes, contents};

/// Take a while, then answer.
#[tool]
async fn steady() -> &'static str {
    sleep(Duration::from_millis(50)).await;
    "steady"
}

#[derive(Debug, PartialEq)]
struct OutOfStock {
    item: String,
}

impl fmt::Display for OutOfStock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  is out of stock", self.item)
    }
}

impl Error for OutOfStock {}

/// Order an item.
#[tool]
async fn order(item: String) -> Result<u32, OutOfStock> {
    Err(OutOfStock { item })
}

#[tokio::test(start_paused = true)]
async fn an_error_is_a_line_for_the_model_and_a_value_for_the_program() {
    let results = Dispatcher::new(tools![steady, order])
        .dispatch(calls([
            ("steady", "{}"),
            ("order", r#"{"item": "gauze"}"#),
            ("steady", "{}"),
        ]))
        .await;

    assert_eq!(
        contents(&results),
        [
            "steady",
            r#"{"error":"gauze is out of stock","tool":"order"}"#,
            "steady"
        ]
    );
    let error = results[1].outcome().unwrap_err();
    assert_eq!(
        (error.code(), error.to_string()),
        (ErrorCode::ToolError, "tool `order` failed".to_owned())
    );
    let source = error
        .source()
        .and_then(|source| source.downcast_ref::<OutOfStock>());
    assert_eq!(
        source,
        Some(&OutOfStock {
            item: "gauze".to_owned()
        })
    );
}

#[tokio::test]
async fn a_question_mark_into_anyhow_loses_nothing() {
    /// Fail with an error of our own.
    #[tool]
    async fn typed() -> anyhow::Result<()> {
        Err(OutOfStock {
            item: "gauze".to_owned(),
        })?
    }

    /// Stop the run.
    #[tool]
    async fn fatal() -> anyhow::Result<()> {
        Err(ToolError::fatal("the pharmacy is closed"))?
    }

    /// Stop the run, and say when.
    #[tool]
    async fn wrapped() -> anyhow::Result<()> {
        Err(
            anyhow::Error::new(ToolError::fatal("the pharmacy is closed"))
                .context("the order failed"),
        )
    }

    let set = tools![typed, fatal, wrapped];
    // One batch each: a fatal error stops what has not started.
    let mut results = Vec::new();
    for name in ["typed", "fatal", "wrapped"] {
        results.extend(
            Dispatcher::new(set.clone())
                .dispatch(calls([(name, "{}")]))
                .await,
        );
    }
    let [typed, fatal, wrapped] = [0, 1, 2].map(|at| results[at].outcome().unwrap_err());
    assert!(
        typed
            .source()
            .is_some_and(|source| source.is::<OutOfStock>())
    );
    assert_eq!(
        (fatal.message_for_model(), fatal.is_fatal()),
        ("the pharmacy is closed", true)
    );
    assert_eq!(
        (wrapped.message_for_model(), wrapped.is_fatal()),
        ("the order failed", true)
    );
}

#[tokio::test]
async fn an_error_keeps_its_chain_through_anyhow_and_boxes() {
    /// Fail through `anyhow`.
    #[tool]
    async fn through_anyhow() -> anyhow::Result<()> {
        Err(anyhow::Error::new(OutOfStock {
            item: "gauze".to_owned(),
        })
        .context("the order failed"))
    }

    /// Fail through a box.
    #[tool]
    fn through_box() -> Result<(), Box<dyn Error + Send + Sync>> {
        Err(OutOfStock {
            item: "gauze".to_owned(),
        }
        .into())
    }

    /// Fail on purpose.
    #[tool]
    fn as_our_own() -> Result<(), ToolError> {
        Err(ToolError::invalid_arguments(OutOfStock {
            item: "gauze".to_owned(),
        }))
    }

    let results = Dispatcher::new(tools![through_anyhow, through_box, as_our_own])
        .dispatch(calls([
            ("through_anyhow", "{}"),
            ("through_box", "{}"),
            ("as_our_own", "{}"),
        ]))
        .await;

    assert_eq!(
        codes(&results),
        ["tool_error", "tool_error", "invalid_arguments"]
    );
    assert_eq!(
        results[0].outcome().unwrap_err().message_for_model(),
        "the order failed"
    );
    for result in &results {
        let error = result.outcome().unwrap_err();
        let mut source = error.source();
        while let Some(deeper) = source.and_then(|error| error.source()) {
            source = Some(deeper);
        }
        assert!(
            source.is_some_and(|last| last.is::<OutOfStock>()),
            "{}",
            result.name()
        );
    }
}

#[tokio::test]
async fn an_error_that_is_only_displayable_is_accepted() {
    struct Worded;

    impl fmt::Display for Worded {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("only words")
        }
    }

    /// Fail in words.
    #[tool]
    async fn worded() -> Result<(), Worded> {
        Err(Worded)
    }

    let results = Dispatcher::new(tools![worded])
        .dispatch(calls([("worded", "{}")]))
        .await;
    assert_eq!(
        contents(&results),
        [r#"{"error":"only words","tool":"worded"}"#]
    );
}

const SECRET: &str = "the password is hunter2";

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{SECRET}");
        }
    }
}

mod panicking {
    use super::*;

    /// Panic before the first await.
    #[tool]
    pub(super) async fn at_once() -> u32 {
        panic!("{SECRET}")
    }

    /// Panic after an await.
    #[tool]
    pub(super) async fn later() -> u32 {
        sleep(Duration::from_millis(10)).await;
        panic!("{SECRET}")
    }

    /// Panic on a thread.
    #[tool]
    pub(super) fn on_thread() -> u32 {
        panic!("{SECRET}")
    }

    pub(super) struct PanicsWhenShown;

    impl fmt::Display for PanicsWhenShown {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("{SECRET}")
        }
    }

    /// Fail with an error that panics.
    #[tool]
    pub(super) async fn in_display() -> Result<u32, PanicsWhenShown> {
        Err(PanicsWhenShown)
    }

    pub(super) struct PanicsWhenWritten;

    impl Serialize for PanicsWhenWritten {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("{SECRET}")
        }
    }

    /// Return a value that panics.
    #[tool]
    pub(super) fn in_serialize() -> PanicsWhenWritten {
        PanicsWhenWritten
    }

    /// Panic when the call is dropped at its deadline.
    #[tool(timeout = "20ms")]
    pub(super) async fn in_drop() {
        let _guard = PanicsWhenDropped;
        std::future::pending::<()>().await;
    }

    /// Panic with a value that panics when it is dropped.
    #[tool]
    pub(super) async fn with_a_bomb() {
        std::panic::panic_any(PanicsWhenDropped)
    }

    /// The same on a thread.
    #[tool]
    pub(super) fn with_a_bomb_on_thread() {
        std::panic::panic_any(PanicsWhenDropped)
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_answered_in_place_and_its_text_is_hidden() {
    use panicking::{
        at_once, in_display, in_drop, in_serialize, later, on_thread, with_a_bomb,
        with_a_bomb_on_thread,
    };
    let names = [
        "at_once",
        "later",
        "on_thread",
        "in_display",
        "in_serialize",
        "in_drop",
        "with_a_bomb",
        "with_a_bomb_on_thread",
    ];
    let tools = tools![
        steady,
        at_once,
        later,
        on_thread,
        in_display,
        in_serialize,
        in_drop,
        with_a_bomb,
        with_a_bomb_on_thread
    ];
    let dispatcher = Dispatcher::new(tools);
    for name in names {
        let results = dispatcher
            .dispatch(calls([("steady", "{}"), (name, "{}"), ("steady", "{}")]))
            .await;
        assert_eq!(codes(&results), ["ok", "panic", "ok"], "{name}");
        assert!(!results[1].content().contains("hunter2"), "{name}");
        assert!(results[1].content().contains(name), "{name}");
    }
    let results = dispatcher
        .dispatch(calls(names.map(|name| (name, "{}"))))
        .await;
    assert_eq!(codes(&results), ["panic"; 8]);
}

#[tokio::test]
async fn the_text_of_a_panic_is_for_the_operator() {
    use panicking::{on_thread, with_a_bomb};
    let results = Dispatcher::new(tools![on_thread, with_a_bomb])
        .dispatch(calls([("on_thread", "{}"), ("with_a_bomb", "{}")]))
        .await;
    let source = |position: usize| {
        results[position]
            .outcome()
            .unwrap_err()
            .source()
            .map(ToString::to_string)
    };
    assert_eq!(source(0).as_deref(), Some(SECRET));
    assert_eq!(source(1).as_deref(), Some("a value that is not text"));
}

#[tokio::test]
async fn a_value_without_a_json_form_is_an_error_with_its_cause() {
    /// Return pairs by pairs.
    #[tool]
    async fn pairs() -> std::collections::BTreeMap<(u8, u8), u8> {
        [((1, 2), 3)].into()
    }

    let results = Dispatcher::new(tools![pairs])
        .dispatch(calls([("pairs", "{}")]))
        .await;
    assert_eq!(codes(&results), ["unserializable_output"]);
    let error = results[0].outcome().unwrap_err();
    assert!(
        error
            .source()
            .is_some_and(|source| source.is::<serde_json::Error>())
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_fatal_error_nothing_starts_and_running_calls_finish() {
    /// Fail for good.
    #[tool]
    async fn fatal() -> Result<(), ToolError> {
        sleep(Duration::from_millis(10)).await;
        Err(ToolError::fatal(OutOfStock {
            item: "power".to_owned(),
        }))
    }

    let dispatcher = Dispatcher::new(tools![steady, fatal]).with_max_concurrency(2);
    let batch = || {
        calls([
            ("steady", "{}"),
            ("fatal", "{}"),
            ("steady", "{}"),
            ("steady", "{}"),
        ])
    };
    let results = dispatcher.dispatch(batch()).await;

    assert_eq!(
        codes(&results),
        ["ok", "tool_error", "not_started", "not_started"]
    );
    assert!(results[1].outcome().unwrap_err().is_fatal());
    assert!(results[2..].iter().all(|result| result.started().is_none()));
    // Another batch is not concerned.
    assert_eq!(
        codes(&dispatcher.dispatch(calls([("steady", "{}")])).await),
        ["ok"]
    );
}

#[tokio::test]
async fn an_error_for_a_nested_call_names_that_call() {
    /// Make a call, and pass on what it fails with.
    #[tool]
    async fn pass_on(#[context] cx: &CallContext, name: &str) -> Result<String, ToolError> {
        let mut results = cx.dispatch(calls([(name, "{}")])).await;
        results.remove(0).into_outcome().map(ToolOutput::into_text)
    }

    let made = [
        ("pass_on", r#"{"name": "nobody"}"#),
        ("pass_on", r#"{"name": ""}"#),
    ];
    assert_eq!(
        codes(&Dispatcher::new(tools![pass_on]).dispatch(calls(made)).await),
        ["tool_error"; 2]
    );
}
