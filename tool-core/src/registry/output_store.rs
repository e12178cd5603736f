//! Outputs that were too long for the model, stored so that it can read the rest.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tool_macros::tool;

use super::set::ToolSet;
use crate::model::{CallContext, Content, ResourceContents, ToolError, ToolOutput};

/// Stores truncated outputs in memory, and has a tool for the model to read them back, a part at a
/// time.
///
/// ```
/// use tool_core::{Dispatcher, OutputStore, ToolCall, tool, tools};
///
/// /// Read the log.
/// #[tool]
/// fn read_log() -> String {
///     (0..10_000).map(|line| format!("line {line}\n")).collect()
/// }
///
/// let store = OutputStore::new(64 << 20);
/// let dispatcher = Dispatcher::new(tools![read_log].merge(store.tools())?)
///     .with_limits(|limits| limits.output_bytes = 4096)
///     .with_overflow(move |call, whole| store.keep(call, whole));
///
/// let results = dispatcher.dispatch_blocking(vec![ToolCall::new("call_1", "read_log", "{}")]);
/// let text = results[0].content();
/// assert!(text.len() <= 4096 && text.contains("call `read_output`"));
/// # let reference = text.split("\"reference\":\"").nth(1).unwrap().split('"').next().unwrap();
///
/// // The model calls it with the reference that it read:
/// let arguments = format!(r#"{{"reference": "{reference}", "offset": 2000, "length": 1000}}"#);
/// let results = dispatcher.dispatch_blocking(vec![ToolCall::new("call_2", "read_output", arguments)]);
/// assert!(results[0].content().ends_with("\n[bytes 2000 to 3000 of 98890; the rest begins at offset 3000]"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Clones share what they keep. References cannot be guessed: conversations that share a store read
/// only their own outputs.
#[derive(Clone)]
pub struct OutputStore {
    shared: Arc<Shared>,
}

/// The tool's name.
const NAME: &str = "read_output";

struct Shared {
    most: usize,
    /// Make references that cannot be guessed.
    secrets: [RandomState; 2],
    kept: Mutex<Kept>,
}

/// The oldest first.
#[derive(Default)]
struct Kept {
    outputs: VecDeque<(String, Arc<str>)>,
    bytes: usize,
    /// How many have been kept.
    count: u64,
}

impl OutputStore {
    /// A store of at most so many bytes: when there are more, the oldest outputs go.
    pub fn new(bytes: usize) -> Self {
        let shared = Shared {
            most: bytes,
            secrets: [RandomState::new(), RandomState::new()],
            kept: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Keeps the text of an output. Returns what the model reads of it: how to call the tool, under
    /// the name `read_output`; nothing, if there is no text.
    ///
    /// Made for [`Dispatcher::with_overflow`](crate::Dispatcher::with_overflow).
    pub fn keep(&self, call: &CallContext, whole: &ToolOutput) -> String {
        const ENTRY: usize = 128; // about what is kept beside the text
        let texts = whole.blocks().iter().filter_map(|block| match block {
            Content::Text(text) => Some(text.as_str()),
            Content::Resource(resource) => match &resource.contents {
                ResourceContents::Text(text) => Some(text.as_str()),
                ResourceContents::Blob(_) => None,
            },
            _ => None,
        });
        let text: Arc<str> = texts.collect::<Vec<_>>().join("\n").into();
        let bytes = text.len();
        if text.is_empty() || call.tool().ends_with(NAME) {
            return String::new(); // there is nothing more to read, or it is there already
        }
        if bytes + ENTRY > self.shared.most {
            return "[the rest is too long to be stored; ask for less]".to_owned();
        }
        let mut gone = Vec::new(); // dropped when others may continue
        let mut kept = self.kept();
        kept.count += 1;
        let [high, low] = self.shared.secrets.each_ref();
        let reference = format!(
            "{:016x}{:016x}",
            high.hash_one(kept.count),
            low.hash_one(kept.count)
        );
        kept.bytes += bytes + ENTRY;
        kept.outputs.push_back((reference.clone(), text));
        while kept.bytes > self.shared.most
            && let Some((_, oldest)) = kept.outputs.pop_front()
        {
            kept.bytes -= oldest.len() + ENTRY;
            gone.push(oldest);
        }
        drop(kept);
        let what = match whole.truncated() {
            true => format!("what was kept of it, {bytes} bytes"),
            false => format!("all {bytes} bytes"),
        };
        format!(
            "[to read {what}, call `{NAME}` with {{\"reference\":\"{reference}\",\"offset\":0}}]"
        )
    }

    /// The tool: `read_output`, which takes a `reference`, an `offset` and a `length` in bytes.
    pub fn tools(&self) -> ToolSet {
        crate::tools![read_output].with_state(self.clone())
    }

    fn get(&self, reference: &str) -> Option<Arc<str>> {
        let kept = self.kept();
        let mut outputs = kept.outputs.iter();
        let found = outputs.find(|(of, _)| of == reference)?;
        Some(Arc::clone(&found.1))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        let kept = self.shared.kept.lock();
        kept.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for OutputStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept();
        f.debug_struct("OutputStore")
            .field("outputs", &kept.outputs.len())
            .field("bytes", &kept.bytes)
            .finish_non_exhaustive()
    }
}

/// Read a part of a result that was too long to be shown.
#[tool(read_only, open_world = false, inline)]
fn read_output(
    #[state] store: &OutputStore,
    #[context] cx: &CallContext,
    /// The reference that the result was shown with.
    reference: &str,
    /// Where to begin, in bytes.
    #[arg(default = 0)]
    offset: usize,
    /// How many bytes to read.
    #[arg(default = 16_384, range(1..=65_536))]
    length: usize,
) -> Result<String, ToolError> {
    const LINE: usize = 128; // room for it
    let text = store.get(reference).ok_or_else(|| {
        ToolError::invalid_arguments(
            "`reference`: there is no such output any more; call its tool again",
        )
    })?;
    if offset > text.len() {
        return Err(ToolError::invalid_arguments(format!(
            "`offset`: must be at most {}, the length of the output",
            text.len()
        )));
    }
    let length = length.min(cx.output_bytes().saturating_sub(LINE));
    let start = boundary(&text, offset);
    let mut end = boundary(&text, start.saturating_add(length));
    if end == start {
        end = text[start..]
            .chars()
            .next()
            .map_or(start, |c| start + c.len_utf8());
    }
    let rest = match end < text.len() {
        true => format!("; the rest begins at offset {end}"),
        false => String::new(),
    };
    let (part, all) = (&text[start..end], text.len());
    Ok(format!("{part}\n[bytes {start} to {end} of {all}{rest}]"))
}

/// The last place that begins a character, up to there.
fn boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    let mut back = (0..=at).rev();
    back.find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
