//! One call that is being written.

use std::mem;

use tool_core::serde_json::{Map, Value};

use super::entry::Entry;
use super::merge::{Strings, merge};
use super::scan::Scan;
use crate::chat::wire::{CustomCall, FunctionCall, ToolCall};

/// A call, and how much of it has arrived.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) index: Option<i64>,
    pub(super) wire: ToolCall,
    pub(super) scan: Scan,
    /// The arguments, if they came as objects so far. The text is that of the first.
    pub(super) object: Option<Map<String, Value>>,
    /// The list of pieces that had its latest one.
    pub(super) list: usize,
    /// Whether the call was reported as complete, and nothing has arrived since.
    pub(super) complete: bool,
    /// Whether something came after that.
    pub(super) reopened: bool,
    /// Whether the name came again after the JSON had ended: what follows may be a second call of
    /// the tool.
    pub(super) named_again: bool,
}

impl Call {
    /// What the first piece says, apart from its text and its id.
    pub(super) fn new(entry: &mut Entry) -> Self {
        let name = mem::take(&mut entry.name);
        entry.extra.retain(|_, value| !value.is_null());
        entry.inner.retain(|_, value| !value.is_null());
        let mut wire = ToolCall {
            id: String::new(),
            r#type: mem::take(&mut entry.kind),
            function: FunctionCall::default(),
            custom: None,
            extra: mem::take(&mut entry.extra),
        };
        if wire.r#type.is_empty() {
            wire.r#type = if entry.custom { "custom" } else { "function" }.to_owned();
        }
        let inner = mem::take(&mut entry.inner);
        if entry.custom {
            wire.custom = Some(CustomCall {
                name,
                input: String::new(),
                extra: inner,
            });
        } else {
            wire.function = FunctionCall {
                name,
                arguments: String::new(),
                extra: inner,
            };
        }
        Self {
            index: entry.index,
            wire,
            scan: Scan::default(),
            object: None,
            list: 0,
            complete: false,
            reopened: false,
            named_again: false,
        }
    }

    /// What a later piece says, apart from its text, id and name. Returns by how much the call has
    /// grown, in bytes.
    pub(super) fn merge(&mut self, entry: &mut Entry) -> usize {
        let inner = match &mut self.wire.custom {
            Some(custom) => &mut custom.extra,
            None => &mut self.wire.function.extra,
        };
        merge(inner, mem::take(&mut entry.inner), Strings::Repeat)
            + merge(
                &mut self.wire.extra,
                mem::take(&mut entry.extra),
                Strings::Repeat,
            )
    }

    pub(super) fn name(&self) -> &str {
        self.wire
            .custom
            .as_ref()
            .map_or(&self.wire.function.name, |custom| &custom.name)
    }

    pub(super) fn name_mut(&mut self) -> &mut String {
        match &mut self.wire.custom {
            Some(custom) => &mut custom.name,
            None => &mut self.wire.function.name,
        }
    }

    pub(super) fn text(&self) -> &str {
        self.wire
            .custom
            .as_ref()
            .map_or(&self.wire.function.arguments, |custom| &custom.input)
    }

    fn text_mut(&mut self) -> &mut String {
        match &mut self.wire.custom {
            Some(custom) => &mut custom.input,
            None => &mut self.wire.function.arguments,
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.named_again = false;
        self.text_mut().push_str(text);
        if self.wire.custom.is_none() {
            self.scan.push(text);
        }
    }

    /// Removes the text so far.
    pub(super) fn restart(&mut self) {
        self.text_mut().clear();
        self.scan = Scan::default();
        self.object = None;
    }

    /// Makes one text of all objects: none is coming any more.
    pub(super) fn join_objects(&mut self) {
        if let Some(members) = self.object.take() {
            self.restart();
            self.push(&Value::Object(members).to_string());
        }
    }

    /// The JSON, if it has visibly ended; never that of a custom tool, whose text is free.
    pub(super) fn closed(&self) -> Option<&str> {
        self.text().get(self.scan.closed()?)
    }

    /// Whether the text may be all there is, once something else says that no more is coming. `cut`
    /// is whether the model was stopped.
    pub(super) fn may_end(&self, cut: bool) -> bool {
        if self.wire.custom.is_some() {
            return !cut;
        }
        // `null` means the same as nothing.
        if self.scan.is_empty() || self.text().trim() == "null" {
            !cut
        } else {
            self.scan.is_whole(self.text())
        }
    }
}
