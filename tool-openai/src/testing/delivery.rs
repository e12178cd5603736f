//! How an answer of the script arrives: at once or piece by piece, to its end or not.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use tool_core::serde_json::Value;

use super::script::End;

/// One server-sent event. The Responses API repeats what is in `type`.
pub(super) fn event(data: &Value) -> String {
    let kind = data["type"]
        .as_str()
        .map(|kind| format!("event: {kind}\n"))
        .unwrap_or_default();
    format!("{kind}data: {data}\n\n")
}

/// The events of a text, each with the blank line that ends it.
pub(super) fn events(text: &str) -> Vec<String> {
    text.split_inclusive("\n\n").map(str::to_owned).collect()
}

/// The chunks that arrive, and whether the connection breaks behind them.
pub(super) fn parts(mut chunks: Vec<String>, end: End) -> (Vec<String>, bool) {
    let is_cut = match end {
        End::Regular => false,
        End::Cut(after) => {
            chunks.truncate(after);
            true
        }
        End::Error(after, error) => {
            chunks.truncate(after);
            chunks.push(event(&error));
            false
        }
    };
    (chunks, is_cut)
}

/// A stream of these chunks.
pub(super) fn stream(chunks: Vec<String>, pace: Duration, end: End) -> Response {
    let (chunks, is_cut) = parts(chunks, end);
    let body = body(chunks, pace, is_cut);
    (
        [
            (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
            (CACHE_CONTROL, "no-cache"),
        ],
        body,
    )
        .into_response()
}

/// A whole answer, in two parts if it breaks off between them.
pub(super) async fn whole(text: String, pace: Duration, end: End) -> Response {
    if !pace.is_zero() {
        tokio::time::sleep(pace).await;
    }
    let body = match end {
        End::Regular => Body::from(text),
        End::Error(_, error) => Body::from(error.to_string()),
        End::Cut(_) => {
            let middle = (0..=text.len() / 2)
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or_default();
            body(vec![text[..middle].to_owned()], Duration::ZERO, true)
        }
    };
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn body(chunks: Vec<String>, pace: Duration, is_cut: bool) -> Body {
    let ends = chunks
        .into_iter()
        .map(Ok)
        .chain(is_cut.then(|| Err(io::Error::from(io::ErrorKind::ConnectionReset))));
    Body::from_stream(unfold(
        (ends, true),
        move |(mut ends, is_first)| async move {
            let part = ends.next()?;
            if part.is_err() {
                tokio::task::yield_now().await; // or what came before is not sent
            } else if !is_first && !pace.is_zero() {
                tokio::time::sleep(pace).await;
            }
            Some((part, (ends, false)))
        },
    ))
}
