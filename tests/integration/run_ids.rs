//! Messages that the program names: their calls have the same idempotency keys in every process.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::sleep;
use tool_core::{CallContext, Decision, Dispatcher, ToolCall, ToolOutput, tool, tools};
use tower::Service;

use crate::rogue_layers::around;
use crate::support::{calls, contents};

/// Say what the call's key is.
#[tool(idempotent)]
async fn key(#[context] cx: &CallContext, after: Option<u64>) -> String {
    sleep(Duration::from_millis(after.unwrap_or_default())).await;
    cx.idempotency_key()
}

/// Say what the keys of the calls within are, in two batches; fail at first.
#[tool(idempotent, retry(attempts = 2, backoff = "1ms"))]
async fn keys(#[context] cx: &CallContext, #[state] seen: &Seen) -> Result<Vec<String>, String> {
    let both = || calls([("key", "{}"), ("key", r#"{"after": 3}"#)]);
    let (one, two) = (cx.dispatch(both()).await, cx.dispatch(both()).await);
    let keys = [contents(&one), contents(&two)].concat();
    match seen.attempts.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => {
            *seen.first.lock().unwrap() = keys;
            Err("not yet".to_owned())
        }
        _ => {
            assert_eq!(*seen.first.lock().unwrap(), keys);
            Ok(keys)
        }
    }
}

#[derive(Default)]
struct Seen {
    attempts: AtomicUsize,
    first: std::sync::Mutex<Vec<String>>,
}

fn dispatcher() -> Dispatcher {
    Dispatcher::new(tools![key, keys]).with_state(Seen::default())
}

async fn answers(run_id: &str, batch: Vec<ToolCall>) -> Vec<String> {
    contents(&dispatcher().dispatch_as(run_id, batch).unwrap().await)
}

#[tokio::test(start_paused = true)]
async fn the_same_calls_of_a_run_have_the_same_keys_again() {
    let batch = || calls([("key", "{}"), ("keys", "{}"), ("key", "{}")]);
    let first = answers("order 7", batch()).await;
    assert_eq!(answers("order 7", batch()).await, first);

    let all: Vec<&str> = first.iter().flat_map(|keys| keys.split('"')).collect();
    let keys: BTreeSet<_> = all.into_iter().filter(|text| text.len() > 2).collect();
    assert_eq!(keys.len(), 6, "{first:?}"); // two outer calls, four within
    let paths: BTreeSet<_> = keys.iter().map(|key| &key[33..]).collect();
    let expected = ["0", "1.0.0", "1.0.1", "1.1.0", "1.1.1", "2"];
    assert_eq!(paths, BTreeSet::from(expected));
    let apart: BTreeSet<_> = keys.iter().map(|key| &key[..32]).collect();
    assert_eq!(apart.len(), 6);

    let another = answers("order 8", batch()).await;
    assert!(another.iter().all(|answer| !first.contains(answer)));
    let unnamed = contents(&dispatcher().dispatch(batch()).await);
    assert!(unnamed.iter().all(|answer| !first.contains(answer)));
}

/// A layer's calls are not the tool's, though both are the first of theirs.
#[tokio::test(start_paused = true)]
async fn calls_of_a_layer_have_keys_of_their_own() {
    /// Say what the key of a call within is.
    #[tool]
    async fn inner(#[context] cx: &CallContext) -> String {
        contents(&cx.dispatch(calls([("key", "{}")])).await).concat()
    }

    let audits = around(|mut service, context: CallContext| {
        Box::pin(async move {
            if context.tool() == "key" {
                return service.call(context).await;
            }
            let audit = contents(&context.dispatch(calls([("key", "{}")])).await).concat();
            let output = service.call(context).await?;
            Ok(ToolOutput::from_text(format!("{audit} {}", output.text())))
        })
    });
    let dispatcher = Dispatcher::new(tools![key, inner]).with_layer(audits);
    let results = dispatcher
        .dispatch_as("order 7", calls([("inner", "{}")]))
        .unwrap()
        .await;
    let text = contents(&results).concat();
    let (audit, own) = text.split_once(' ').unwrap();
    assert_ne!(audit, own);
    assert!(
        audit.ends_with("-0.layer0.0") && own.ends_with("-0.0.0"),
        "{text}"
    );
}

/// Say what the message is called, and that of a call within.
#[tool]
async fn message(#[context] cx: &CallContext, inner: bool) -> String {
    let own = cx.run_id().unwrap_or_else(|| "nothing".to_owned());
    match inner {
        true => own,
        false => contents(
            &cx.dispatch(calls([("message", r#"{"inner": true}"#)]))
                .await,
        )
        .concat(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_knows_the_id_of_its_message() {
    let dispatcher = Dispatcher::new(tools![message]);
    let batch = || {
        calls([
            ("message", r#"{"inner": true}"#),
            ("message", r#"{"inner": false}"#),
        ])
    };
    let named = dispatcher.dispatch_as("order 7", batch()).unwrap().await;
    assert_eq!(contents(&named), ["order 7", "order 7"]);
    assert_eq!(
        contents(&dispatcher.dispatch(batch()).await),
        ["nothing", "nothing"]
    );
}

/// Services keep keys for days: another release makes the same.
#[tokio::test(start_paused = true)]
async fn a_key_stays_what_it_is() {
    let key = answers("order 7", calls([("key", "{}")])).await;
    assert_eq!(key, ["039ec37453967206e48d53b2acc29600-0"]);
}

#[tokio::test(start_paused = true)]
async fn keys_are_of_the_arguments_that_the_tool_reads() {
    let batch = || calls([("key", r#"{"after": 1}"#)]);
    let plain = answers("order 7", batch()).await;
    let edited = dispatcher().with_policy(|_| Decision::Edit(r#"{"after": 2}"#.to_owned()));
    let edited = edited.dispatch_as("order 7", batch()).unwrap().await;
    assert_ne!(contents(&edited), plain);
    let meant = answers("order 7", calls([("key", r#"{"after": 2}"#)])).await;
    assert_eq!(contents(&edited), meant);
}

#[test]
fn a_run_id_is_neither_empty_nor_long() {
    for (run_id, length) in [(String::new(), 0), ("x".repeat(1 << 20), 1 << 20)] {
        let error = dispatcher().dispatch_as(&run_id, Vec::new()).err().unwrap();
        let expected =
            format!("a run id of {length} bytes; it names one message, and has 1 to 512 bytes");
        assert_eq!(error.to_string(), expected);
    }
    for fits in ["x".to_owned(), "é".repeat(256)] {
        assert!(dispatcher().dispatch_as(&fits, Vec::new()).is_ok());
    }
}

proptest! {
    /// No two calls of different runs, places or arguments have one key, however their texts join.
    #[test]
    fn another_call_has_another_key(
        runs in prop::collection::btree_set(("[ab.]{1,3}", 0..3_usize, "[ab ]{0,2}"), 2..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let keys: BTreeSet<String> = runs
            .iter()
            .map(|(run_id, position, extra)| {
                let mut batch = vec![ToolCall::new("c", "key", "{}"); *position];
                batch.push(ToolCall::new("c", "key", format!("{{{}}}", extra.replace(['a', 'b'], " "))));
                runtime.block_on(answers(run_id, batch)).pop().unwrap()
            })
            .collect();
        let spaces: BTreeSet<_> = runs.iter().map(|(run, at, extra)| (run, at, extra.len())).collect();
        prop_assert_eq!(keys.len(), spaces.len());
    }
}
