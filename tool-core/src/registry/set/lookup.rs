//! What a set offers that lacks no state: its tools, their definitions, and what is made of them.

use std::sync::{Arc, PoisonError};

use super::{DuplicateToolError, Runs, ToolEntry, ToolSet};
use crate::model::{Tool, ToolDefinition};
use crate::registry::runnable::Runnable;
use crate::registry::set_tool::SetTool;

// The accessors of a set are on `ToolSet<()>` alone, so that `tools![add].len()` needs no
// type annotation.
impl ToolSet {
    /// A set of tools of one kind, in their order: [`DynamicTool`](crate::DynamicTool)s, or
    /// `Arc<dyn Tool>`s of several kinds.
    ///
    /// # Errors
    /// Two tools have one name.
    pub fn from_tools<T: Tool + 'static>(
        tools: impl IntoIterator<Item = T>,
    ) -> Result<Self, DuplicateToolError> {
        tools
            .into_iter()
            .try_fold(Self::default(), |set, tool| set.with_tool(tool))
    }

    /// The same tools as a part of a set for any state, which they do not ask for: to
    /// [`merge`](ToolSet::merge) the tools of a server into those of a program, for example.
    ///
    /// ```
    /// use tool_core::{ToolSet, tool, tools};
    ///
    /// /// Add two numbers.
    /// #[tool]
    /// fn add(a: i64, b: i64) -> i64 {
    ///     a + b
    /// }
    ///
    /// /// Greet somebody.
    /// #[tool]
    /// fn greet(#[state] greeting: &String, name: &str) -> String {
    ///     format!("{greeting}, {name}!")
    /// }
    ///
    /// let complete: ToolSet = tools![add];
    /// let tools = tools![greet].merge(complete.for_any_state())?;
    /// assert_eq!(tools.with_state("Hello".to_owned()).len(), 2);
    /// # Ok::<(), tool_core::DuplicateToolError>(())
    /// ```
    #[must_use]
    pub fn for_any_state<S: Send + Sync + 'static>(&self) -> ToolSet<S> {
        let state = Arc::new(());
        ToolSet::of_different(self.entries.tools.iter().map(|entry| ToolEntry {
            definition: Arc::clone(&entry.definition),
            runs: Runs::Ready(entry.bind(&state)),
        }))
    }

    /// How many tools there are.
    pub fn len(&self) -> usize {
        self.entries.tools.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.tools.is_empty()
    }

    /// The definitions, in declaration order.
    pub fn definitions(&self) -> impl ExactSizeIterator<Item = &ToolDefinition> {
        self.entries.tools.iter().map(|entry| &*entry.definition)
    }

    /// The names, in declaration order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.definitions().map(ToolDefinition::name)
    }

    /// The tool named `name`, to run without a dispatcher: a unit test, a worker, another engine.
    ///
    /// ```
    /// use tool_core::{CallContext, ToolCall, tool, tools};
    ///
    /// /// Add two numbers.
    /// #[tool]
    /// async fn add(a: i64, b: i64) -> i64 {
    ///     a + b
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let call = ToolCall::new("call_1", "add", r#"{"a": 1, "b": 2}"#);
    /// let tool = tools![add].tool("add").unwrap();
    /// let output = tool.call(&CallContext::detached(call), r#"{"a": 1, "b": 2}"#).await;
    /// assert_eq!(output.unwrap().text(), "3");
    /// # }
    /// ```
    pub fn tool(&self, name: &str) -> Option<Arc<dyn Tool>> {
        let entry = &self.entries.tools[self.position(name)?];
        Some(Arc::new(SetTool {
            definition: Arc::clone(&entry.definition),
            runnable: entry.bind(&Arc::new(())),
        }))
    }

    /// The definition of the tool named `name`.
    pub fn definition(&self, name: &str) -> Option<&ToolDefinition> {
        self.entries
            .positions
            .get(name)
            .map(|position| &*self.entries.tools[*position].definition)
    }

    /// The definitions as JSON text, in declaration order. Shape: an array of objects with `name`,
    /// `description` and `parameters`. The text is made once, and is the same in every run and on
    /// every machine.
    ///
    /// ```
    /// use tool_core::{tool, tools};
    ///
    /// /// Say hello.
    /// #[tool]
    /// fn greet() -> &'static str {
    ///     "hello"
    /// }
    ///
    /// assert!(tools![greet].definitions_json().starts_with(r#"[{"name":"greet","description":"Say hello.","parameters":{"type":"#));
    /// ```
    pub fn definitions_json(&self) -> &str {
        let json =
            || serde_json::to_string(&self.definitions().collect::<Vec<_>>()).unwrap_or_default();
        self.entries.json.get_or_init(json)
    }

    /// What an adapter makes of the definitions, made once for the same definitions: `make` is
    /// called if no value of this type that `fits` is kept. Sets that are bound to other state share
    /// what is kept: the latest 16 values.
    ///
    /// ```
    /// use tool_core::{tool, tools};
    ///
    /// /// Say hello.
    /// #[tool]
    /// fn greet() -> String {
    ///     "Hello!".to_owned()
    /// }
    ///
    /// let tools = tools![greet].with_state(());
    /// let upper = || tools.names().map(str::to_uppercase).collect::<Vec<_>>();
    /// let names = tools.cached(|_: &Vec<String>| true, upper);
    /// assert_eq!(*names, ["GREET"]);
    /// ```
    pub fn cached<T: Send + Sync + 'static>(
        &self,
        fits: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        const MOST: usize = 16;
        let cache = || {
            let cache = self.entries.cache.lock();
            cache.unwrap_or_else(PoisonError::into_inner)
        };
        // The caller's code runs without the lock.
        let kept = cache().clone();
        let mut kept = kept.into_iter().filter_map(|value| value.downcast().ok());
        if let Some(found) = kept.find(|value: &Arc<T>| fits(value)) {
            return found;
        }
        let made = Arc::new(make());
        let mut cache = cache();
        if cache.len() == MOST {
            cache.remove(0);
        }
        cache.push(Arc::<T>::clone(&made));
        made
    }

    /// The place of the tool named `name`.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.entries.positions.get(name).copied()
    }

    /// The definition of the tool at a place that [`position`](Self::position) gave.
    pub(crate) fn definition_at(&self, position: usize) -> &ToolDefinition {
        &self.entries.tools[position].definition
    }

    /// What runs calls of each tool.
    pub(crate) fn runnables(&self) -> Arc<[Arc<dyn Runnable>]> {
        let state = Arc::new(());
        self.entries
            .tools
            .iter()
            .map(|entry| entry.bind(&state))
            .collect()
    }
}
