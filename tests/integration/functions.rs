//! The function stays callable, and the model reads what it returns.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tool_core::{Dispatcher, tool, tools};

use crate::support::{calls, contents};

#[derive(Debug, PartialEq, Serialize)]
struct LabResults {
    patient: String,
    values: Vec<f64>,
}

/// Get lab results.
#[tool(timeout = "5s", read_only)]
async fn get_lab_results(
    #[state] db: &BTreeMap<String, Vec<f64>>,
    /// Patient ID.
    patient: &str,
    #[arg(default = 5, range(1..=50))] limit: usize,
) -> Result<LabResults, String> {
    let values = db.get(patient).ok_or("no such patient")?;
    Ok(LabResults {
        patient: patient.to_owned(),
        values: values.iter().take(limit).copied().collect(),
    })
}

#[tokio::test]
async fn the_function_stays_callable() {
    let db = BTreeMap::from([("P-1".to_owned(), vec![1.0, 2.0, 3.0])]);
    let results = get_lab_results(&db, "P-1", 2).await;
    assert_eq!(
        results,
        Ok(LabResults {
            patient: "P-1".to_owned(),
            values: vec![1.0, 2.0]
        })
    );
    // Limits are for the model, not for the program.
    assert_eq!(
        get_lab_results(&db, "P-1", 0).await.unwrap().values,
        Vec::<f64>::new()
    );

    let dispatcher = Dispatcher::new(tools![get_lab_results].with_state(db));
    let results = dispatcher
        .dispatch(calls([("get_lab_results", r#"{"patient": "P-1"}"#)]))
        .await;
    assert_eq!(
        contents(&results),
        [r#"{"patient":"P-1","values":[1.0,2.0,3.0]}"#]
    );
}

/// Say how each argument arrived.
#[tool]
fn borrowed(
    text: &str,
    path: &Path,
    maybe: Option<&str>,
    numbers: &[u8],
    more: Option<&[u8]>,
    cow: Cow<'_, str>,
    number: &u8,
) -> String {
    format!(
        "{text} {} {maybe:?} {numbers:?} {more:?} {cow} {number}",
        path.display()
    )
}

/// The same in a task.
#[tool]
async fn borrowed_later(
    text: &str,
    path: &Path,
    maybe: Option<&str>,
    numbers: &[u8],
    more: Option<&[u8]>,
    cow: Cow<'_, str>,
    number: &u8,
) -> String {
    tokio::task::yield_now().await;
    borrowed(text, path, maybe, numbers, more, cow, number)
}

#[tokio::test]
async fn borrowed_arguments_live_as_long_as_the_call() {
    let arguments = r#"{"text": "a\nb", "path": "/tmp", "maybe": "c", "numbers": [1, 2], "cow": "d", "number": 3}"#;
    let results = Dispatcher::new(tools![borrowed, borrowed_later])
        .dispatch(calls([
            ("borrowed", arguments),
            ("borrowed_later", arguments),
        ]))
        .await;
    assert_eq!(
        contents(&results),
        ["a\nb /tmp Some(\"c\") [1, 2] None d 3"; 2]
    );
}

const LIMIT: u32 = 50;

/// Say what the defaults are.
#[tool]
async fn defaults(
    #[arg(default = -1)] negative: i64,
    #[arg(default = "north")] text: &str,
    #[arg(default = LIMIT * 2)] product: u32,
    #[arg(default = vec![1, 2])] list: Vec<u8>,
    #[arg(default = &[3])] slice: &[u8],
) -> String {
    format!("{negative} {text} {product} {list:?} {slice:?}")
}

#[tokio::test]
async fn defaults_replace_missing_arguments() {
    let results = Dispatcher::new(tools![defaults])
        .dispatch(calls([
            ("defaults", "{}"),
            ("defaults", r#"{"text": "south", "list": []}"#),
        ]))
        .await;
    assert_eq!(
        contents(&results),
        ["-1 north 100 [1, 2] [3]", "-1 south 100 [] [3]"]
    );
}

mod outputs {
    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) enum Kind {
        InPatient,
        Moved { to: String },
    }

    /// Text.
    #[tool]
    pub(super) async fn text() -> String {
        "say \"ah\"\n".to_owned()
    }

    /// Nothing.
    #[tool]
    pub(super) fn nothing() {}

    /// A unit variant.
    #[tool]
    pub(super) fn variant() -> Kind {
        Kind::InPatient
    }

    /// A struct variant.
    #[tool]
    pub(super) fn structured() -> Result<Kind, std::fmt::Error> {
        Ok(Kind::Moved {
            to: "ICU".to_owned(),
        })
    }

    /// No text.
    #[tool]
    pub(super) fn no_text() -> Option<String> {
        None
    }

    /// A text in an option.
    #[tool]
    pub(super) fn some_text() -> Result<Option<&'static str>, String> {
        Ok(Some("some"))
    }

    /// What cannot be named.
    #[tool]
    pub(super) fn opaque() -> impl Serialize {
        (1, "two")
    }

    /// In a future.
    #[tool]
    #[expect(clippy::manual_async_fn, reason = "the shape under test")]
    pub(super) fn in_future(seconds: u64) -> impl Future<Output = Result<u64, String>> {
        async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok(seconds)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn strings_go_to_the_model_as_text_and_the_rest_as_json() {
    use outputs::*;
    let dispatcher = Dispatcher::new(tools![
        text, nothing, variant, structured, no_text, some_text, opaque, in_future
    ]);
    let batch = calls([
        ("text", "{}"),
        ("nothing", "{}"),
        ("variant", "{}"),
        ("structured", "{}"),
        ("no_text", "{}"),
        ("some_text", "{}"),
        ("opaque", "{}"),
        ("in_future", r#"{"seconds": 3}"#),
    ]);
    let expected = [
        "say \"ah\"\n",
        "null",
        "inPatient",
        r#"{"moved":{"to":"ICU"}}"#,
        "null",
        "some",
        r#"[1,"two"]"#,
        "3",
    ];
    assert_eq!(contents(&dispatcher.dispatch(batch).await), expected);
}
