//! Outputs that are too long for the model: the program stores them, and the model can read the rest.

use std::sync::{Arc, Mutex, mpsc};

use proptest::prelude::*;
use serde_json::json;
use tool_core::{CallContext, Content, Dispatcher, Image, OutputStore, ToolOutput, tool, tools};

use crate::support::{calls, codes, contents};

/// Say a text many times.
#[tool(inline)]
fn say(text: String, times: usize) -> String {
    text.repeat(times)
}

/// Count.
#[tool(inline)]
fn count(to: u32) -> Vec<u32> {
    (0..to).collect()
}

/// Count, for a program.
#[tool(inline, structured)]
fn count_exactly(to: u32) -> Vec<u32> {
    (0..to).collect()
}

/// Show a picture.
#[tool(inline)]
fn show(bytes: usize) -> [Content; 2] {
    [
        "Here:".into(),
        Image::new("image/png", vec![0; bytes]).into(),
    ]
}

type Kept = Arc<Mutex<Vec<(String, ToolOutput)>>>;

fn keeping<S: Send + Sync + 'static>() -> (Dispatcher<S>, Kept) {
    let kept = Kept::default();
    let keep = Arc::clone(&kept);
    let dispatcher = Dispatcher::new(tools![say, count, count_exactly, show])
        .with_limits(|limits| limits.output_bytes = 2000)
        .with_overflow(move |call, whole| {
            let who = call.state::<&str>().copied().unwrap_or("nobody");
            let entry = (format!("{} of {who}", call.id()), whole.clone());
            keep.lock().unwrap().push(entry);
            format!("[kept for {who}]")
        });
    (dispatcher, kept)
}

#[tokio::test]
async fn the_program_gets_the_full_output_and_the_model_a_reference() {
    let (dispatcher, kept) = keeping::<&str>();
    let results = dispatcher
        .with_state("Ann")
        .dispatch(calls([
            ("say", r#"{"text": "word ", "times": 1000}"#),
            ("count", r#"{"to": 2000}"#),
            ("show", r#"{"bytes": 3000}"#),
            ("say", r#"{"text": "word ", "times": 10}"#),
            ("count_exactly", r#"{"to": 2000}"#),
            ("count", r#"{"to": "many"}"#),
        ]))
        .await;
    assert_eq!(
        codes(&results),
        [
            "ok",
            "ok",
            "ok",
            "ok",
            "unserializable_output",
            "invalid_arguments"
        ]
    );
    for result in &results[..3] {
        let (output, text) = (result.outcome().unwrap(), result.content());
        assert!(
            text.ends_with("\n[kept for Ann]") && text.len() <= 2000,
            "{text}"
        );
        assert!(output.truncated() && output.structured().is_none());
    }
    assert!(
        results[2]
            .content()
            .starts_with("Here:\n[image: image/png, 3000 bytes, left out")
    );
    assert_eq!(results[3].content(), "word ".repeat(10));
    let mut kept = kept.lock().unwrap().clone();
    kept.sort_by(|one, other| one.0.cmp(&other.0));
    let names: Vec<_> = kept.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["call_0 of Ann", "call_1 of Ann", "call_2 of Ann"]);
    assert_eq!(kept[0].1, ToolOutput::from_text("word ".repeat(1000)));
    let numbers: Vec<u32> = (0..2000).collect();
    assert_eq!(kept[1].1.structured(), Some(json!(numbers)));
    assert!(matches!(kept[2].1.blocks(), [_, Content::Image(image)] if image.data().len() == 3000));
}

#[tokio::test]
async fn what_is_kept_is_bounded_too() {
    let (dispatcher, kept) = keeping();
    let dispatcher = dispatcher.with_limits(|limits| limits.overflow_bytes = 3000);
    let long = ("say", r#"{"text": "word ", "times": 1000}"#);
    dispatcher.dispatch(calls([long])).await;
    let kept = kept.lock().unwrap();
    assert!(kept[0].1.truncated() && kept[0].1.text().len() <= 3000);
}

#[tokio::test]
async fn a_full_batch_stores_its_output_too() {
    let (dispatcher, kept) = keeping();
    let dispatcher = dispatcher.with_limits(|limits| limits.batch_output_bytes = 0);
    let short = ("say", r#"{"text": "word ", "times": 200}"#);
    let results = dispatcher.dispatch(calls([short])).await;
    assert!(results[0].content().ends_with("[kept for nobody]"));
    assert_eq!(kept.lock().unwrap()[0].1.text().len(), 1000);
}

#[tokio::test]
async fn a_failing_store_does_not_lose_the_call() {
    let dispatcher = Dispatcher::new(tools![say])
        .with_limits(|limits| limits.output_bytes = 1000)
        .with_overflow(|_, _| panic!("the disk is full"));
    let results = dispatcher
        .dispatch(calls([("say", r#"{"text": "word ", "times": 1000}"#)]))
        .await;
    assert_eq!(codes(&results), ["ok"]);
    assert!(results[0].content().contains("bytes left out]"));
    let (dispatcher, _) = keeping();
    let dispatcher = dispatcher
        .with_limits(|limits| limits.output_bytes = 300)
        .with_overflow(|_, _| "a long story ".repeat(100));
    let results = dispatcher
        .dispatch(calls([("count", r#"{"to": 2000}"#)]))
        .await;
    assert!(
        results[0].content().len() <= 300,
        "{}",
        results[0].content()
    );
}

fn storing(bytes: usize) -> (Dispatcher, OutputStore) {
    let store = OutputStore::new(bytes);
    let keep = store.clone();
    let tools = tools![say, count].merge(store.tools()).unwrap();
    let dispatcher = Dispatcher::new(tools)
        .with_limits(|limits| limits.output_bytes = 1000)
        .with_overflow(move |call: &CallContext, whole| keep.keep(call, whole));
    (dispatcher, store)
}

/// The reference in a shortened output.
fn reference(content: &str) -> String {
    let (_, rest) = content.split_once(r#"{"reference":""#).expect(content);
    rest.split('"').next().unwrap().to_owned()
}

fn read(reference: &str, offset: usize, length: usize) -> [(&'static str, String); 1] {
    let arguments = json!({"reference": reference, "offset": offset, "length": length});
    [("read_output", arguments.to_string())]
}

async fn dispatch(dispatcher: &Dispatcher, [(name, arguments)]: [(&str, String); 1]) -> String {
    contents(&dispatcher.dispatch(calls([(name, &arguments)])).await).remove(0)
}

#[tokio::test]
async fn the_oldest_outputs_go_first() {
    let (dispatcher, store) = storing(10_000);
    let mut references = Vec::new();
    for letter in ["a", "b", "c"] {
        let long = json!({"text": letter, "times": 4000}).to_string();
        references.push(reference(&dispatch(&dispatcher, [("say", long)]).await));
    }
    let gone = dispatch(&dispatcher, read(&references[0], 0, 10)).await;
    assert!(gone.contains("there is no such output any more"), "{gone}");
    let kept = dispatch(&dispatcher, read(&references[1], 3990, 100)).await;
    assert_eq!(kept, "bbbbbbbbbb\n[bytes 3990 to 4000 of 4000]");
    let end = dispatch(&dispatcher, read(&references[2], 4000, 100)).await;
    assert_eq!(end, "\n[bytes 4000 to 4000 of 4000]");
    let beyond = dispatch(&dispatcher, read(&references[2], 4001, 100)).await;
    assert!(beyond.contains("must be at most 4000"), "{beyond}");
    assert_eq!(
        format!("{store:?}"),
        "OutputStore { outputs: 2, bytes: 8256, .. }"
    );
    // One that is longer than the store is not kept at all.
    let huge = json!({"text": "d", "times": 20_000}).to_string();
    let lost = dispatch(&dispatcher, [("say", huge)]).await;
    assert!(
        lost.ends_with("\n[the rest is too long to be stored; ask for less]"),
        "{lost}"
    );
    assert_eq!(
        format!("{store:?}"),
        "OutputStore { outputs: 2, bytes: 8256, .. }"
    );
}

/// What the model reads on is not kept again, and a picture cannot be read on.
#[tokio::test]
async fn only_text_that_is_not_stored_yet_is_stored() {
    let (dispatcher, store) = storing(1 << 20);
    let long = json!({"text": "word ", "times": 2000}).to_string();
    let reference = reference(&dispatch(&dispatcher, [("say", long)]).await);
    let scarce = dispatcher.with_limits(|limits| limits.batch_output_bytes = 1000);
    let arguments = json!({"reference": reference, "length": 900}).to_string();
    let parts = [("read_output", &*arguments); 4];
    let contents = contents(&scarce.dispatch(calls(parts)).await);
    assert!(
        contents
            .iter()
            .all(|content| !content.contains("call `read_output`")),
        "{contents:?}"
    );
    assert!(format!("{store:?}").contains("outputs: 1,"), "{store:?}");

    let keep = store.clone();
    let dispatcher = Dispatcher::new(tools![show])
        .with_limits(|limits| limits.output_bytes = 300)
        .with_overflow(move |call: &CallContext, whole| keep.keep(call, whole));
    let results = dispatcher
        .dispatch(calls([("show", r#"{"bytes": 1000}"#)]))
        .await;
    assert!(
        results[0].content().contains("\"offset\":0}]"),
        "{}",
        results[0].content()
    );
}

/// An answer that comes too late is dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_answered_is_not_kept() {
    type Gate = Mutex<mpsc::Receiver<()>>;
    /// Answer when the gate opens.
    #[tool(timeout = "20ms")]
    async fn answer_late(#[state] gate: &Gate) -> String {
        tokio::task::yield_now().await;
        gate.lock().unwrap().recv().unwrap();
        "word ".repeat(2000)
    }
    let (open, gate) = mpsc::channel();
    let kept = Arc::new(Mutex::new(0));
    let count = Arc::clone(&kept);
    let dispatcher = Dispatcher::new(tools![answer_late].with_state(Mutex::new(gate)))
        .with_limits(|limits| limits.output_bytes = 1000)
        .with_overflow(move |_, _| {
            *count.lock().unwrap() += 1;
            String::new()
        });
    let results = dispatcher.dispatch(calls([("answer_late", "{}")])).await;
    assert_eq!(codes(&results), ["timeout_indeterminate"]);
    open.send(()).unwrap();
    dispatcher.idle().await;
    assert_eq!(*kept.lock().unwrap(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn the_parts_make_up_the_whole(text in ".{1,40}", times in 1100..3000_usize, length in 1..5000_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (dispatcher, store) = storing(1 << 20);
            let whole = text.repeat(times);
            let arguments = json!({"text": text, "times": times}).to_string();
            let reference = reference(&dispatch(&dispatcher, [("say", arguments)]).await);
            let (mut read_so_far, mut offset) = (String::new(), 0);
            loop {
                let part = dispatch(&dispatcher, read(&reference, offset, length.max(whole.len() / 100))).await;
                prop_assert!(part.len() <= 1000, "{}", part.len());
                let (part, line) = part.rsplit_once("\n[bytes ").unwrap();
                read_so_far += part;
                match line.split_once("begins at offset ") {
                    Some((_, next)) => {
                        let next = next.trim_end_matches(']').parse().unwrap();
                        prop_assert!(next > offset);
                        offset = next;
                    }
                    None => break,
                }
            }
            prop_assert_eq!(read_so_far, whole);
            prop_assert!(format!("{store:?}").contains("outputs: 1,"), "a part was kept again");
            Ok(())
        })?;
    }
}
