//! The tools a model may call: in declaration order, each name once.

use std::any::Any;
use std::borrow::Borrow;
use std::collections::btree_map::{self, BTreeMap};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::declared::Declared;
use super::runnable::{Foreign, Runnable};
use super::set_tool::SetTool;
use crate::model::{Tool, ToolDefinition};

/// A tool set (registry): the tools a model may call, in declaration order, each name once. Cheap
/// to clone.
///
/// `tools![…]` makes one for any state `S` that provides what its tools ask for;
/// [`with_state`](Self::with_state) supplies the state. A `ToolSet` (that is, `ToolSet<()>`) has
/// all it needs: it can be inspected and dispatched.
///
/// ```
/// use tool_core::{tool, tools};
///
/// /// Add two numbers.
/// #[tool]
/// fn add(a: i64, b: i64) -> i64 {
///     a.wrapping_add(b)
/// }
///
/// /// Greet somebody.
/// #[tool]
/// async fn greet(#[state] greeting: &String, name: &str) -> String {
///     format!("{greeting}, {name}!")
/// }
///
/// let tools = tools![add, greet].with_state("Hello".to_owned());
/// assert_eq!(tools.names().collect::<Vec<_>>(), ["add", "greet"]);
/// ```
pub struct ToolSet<S = ()> {
    entries: Arc<Entries<S>>,
}

struct Entries<S> {
    tools: Vec<ToolEntry<S>>,
    positions: BTreeMap<String, usize>,
    /// The definitions as text, once they have been asked for.
    json: OnceLock<String>,
    /// What adapters have made of the definitions.
    cache: Cache,
}

/// Values of any types.
type Cache = Arc<Mutex<Vec<Arc<dyn Any + Send + Sync>>>>;

struct ToolEntry<S> {
    /// Read once, when the tool was added.
    definition: Arc<ToolDefinition>,
    runs: Runs<S>,
}

enum Runs<S> {
    Ready(Arc<dyn Runnable>),
    NeedsState(Declared<S>),
}

impl<S: Send + Sync + 'static> ToolEntry<S> {
    fn bind(&self, state: &Arc<S>) -> Arc<dyn Runnable> {
        match &self.runs {
            Runs::Ready(tool) => Arc::clone(tool),
            Runs::NeedsState(declared) => declared.bind(Some(Arc::clone(state))),
        }
    }
}

// By hand: `S` itself need not be `Clone`.
impl<S> Clone for ToolEntry<S> {
    fn clone(&self) -> Self {
        let runs = match &self.runs {
            Runs::Ready(tool) => Runs::Ready(Arc::clone(tool)),
            Runs::NeedsState(declared) => Runs::NeedsState(declared.clone()),
        };
        Self {
            definition: Arc::clone(&self.definition),
            runs,
        }
    }
}

impl<S> Clone for Entries<S> {
    fn clone(&self) -> Self {
        // A copy is made to be changed.
        Self {
            tools: self.tools.clone(),
            positions: self.positions.clone(),
            json: OnceLock::new(),
            cache: Cache::default(),
        }
    }
}

impl<S> Clone for ToolSet<S> {
    fn clone(&self) -> Self {
        Self {
            entries: Arc::clone(&self.entries),
        }
    }
}

impl<S> Default for ToolSet<S> {
    fn default() -> Self {
        Self {
            entries: Arc::new(Entries {
                tools: Vec::new(),
                positions: BTreeMap::new(),
                json: OnceLock::new(),
                cache: Cache::default(),
            }),
        }
    }
}

impl<S> fmt::Debug for ToolSet<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                self.entries
                    .tools
                    .iter()
                    .map(|entry| entry.definition.name()),
            )
            .finish()
    }
}

impl<S: Send + Sync + 'static> ToolSet<S> {
    /// Supplies the state that `#[state]` parameters borrow from.
    #[must_use]
    pub fn with_state(self, state: S) -> ToolSet {
        self.with_shared_state(Arc::new(state))
    }

    /// As [`with_state`](Self::with_state), for state that the program shares.
    #[must_use]
    pub fn with_shared_state(self, state: Arc<S>) -> ToolSet {
        // What is made of the definitions is the same for every state.
        let (json, cache) = (self.entries.json.clone(), Arc::clone(&self.entries.cache));
        let Entries {
            tools, positions, ..
        } = Arc::unwrap_or_clone(self.entries);
        let bind = |entry: ToolEntry<S>| ToolEntry {
            runs: Runs::Ready(entry.bind(&state)),
            definition: entry.definition,
        };
        ToolSet {
            entries: Arc::new(Entries {
                tools: tools.into_iter().map(bind).collect(),
                positions,
                json,
                cache,
            }),
        }
    }

    /// The same tools with the state of their caller.
    pub(crate) fn unbound(&self) -> ToolSet {
        let unbound = |entry: &ToolEntry<S>| ToolEntry {
            definition: Arc::clone(&entry.definition),
            runs: Runs::Ready(match &entry.runs {
                Runs::Ready(tool) => Arc::clone(tool),
                Runs::NeedsState(declared) => declared.bind(None),
            }),
        };
        ToolSet {
            entries: Arc::new(Entries {
                tools: self.entries.tools.iter().map(unbound).collect(),
                positions: self.entries.positions.clone(),
                json: self.entries.json.clone(),
                cache: Arc::clone(&self.entries.cache),
            }),
        }
    }

    /// Adds a tool of another kind behind those that are there: a
    /// [`DynamicTool`](crate::DynamicTool), or any [`Tool`].
    ///
    /// # Errors
    /// A tool of that name is in the set already.
    pub fn with_tool(mut self, tool: impl Tool + 'static) -> Result<Self, DuplicateToolError> {
        self.push(ToolEntry {
            definition: Arc::new(tool.definition().clone()),
            runs: Runs::Ready(Arc::new(Foreign(Arc::new(tool)))),
        })?;
        Ok(self)
    }

    /// Adds the tools of another set, or of a reference to one, behind those that are there.
    ///
    /// # Errors
    /// Both sets have a tool of one name.
    pub fn merge(mut self, other: impl Borrow<Self>) -> Result<Self, DuplicateToolError> {
        let other = &other.borrow().entries;
        other
            .tools
            .iter()
            .try_for_each(|entry| self.push(entry.clone()))?;
        Ok(self)
    }

    /// The same tools under other names, each with `prefix` in front: two sets of one type's
    /// methods, for example. What names a service takes, its adapter checks.
    ///
    /// ```
    /// use tool_core::{toolbox, tools};
    ///
    /// struct Hospital(&'static str);
    ///
    /// #[toolbox]
    /// impl Hospital {
    ///     /// Say where it is.
    ///     #[tool]
    ///     async fn place(&self) -> &str {
    ///         self.0
    ///     }
    /// }
    ///
    /// let north = tools![Hospital].with_state(Hospital("Oslo")).with_prefix("north_");
    /// let south = tools![Hospital].with_state(Hospital("Rome")).with_prefix("south_");
    /// let both = north.merge(south)?;
    /// assert_eq!(both.names().collect::<Vec<_>>(), ["north_place", "south_place"]);
    /// # Ok::<(), tool_core::DuplicateToolError>(())
    /// ```
    #[must_use]
    pub fn with_prefix(self, prefix: &str) -> Self {
        let prefixed = |entry: &ToolEntry<S>| ToolEntry {
            definition: Arc::new(
                entry
                    .definition
                    .renamed(format!("{prefix}{}", entry.definition.name())),
            ),
            ..entry.clone()
        };
        Self::of_different(self.entries.tools.iter().map(prefixed))
    }

    /// The tools whose definitions `keep` accepts, in the same order: those of a role, for
    /// example.
    ///
    /// ```
    /// use tool_core::{tool, tools};
    ///
    /// /// Look up a patient.
    /// #[tool(read_only)]
    /// fn look_up(id: &str) -> String {
    ///     id.to_owned()
    /// }
    ///
    /// /// Discharge a patient.
    /// #[tool]
    /// fn discharge(id: &str) -> String {
    ///     id.to_owned()
    /// }
    ///
    /// let for_visitors = tools![look_up, discharge]
    ///     .with_state(())
    ///     .filter(|definition| definition.behavior().read_only == Some(true));
    /// assert_eq!(for_visitors.names().collect::<Vec<_>>(), ["look_up"]);
    /// ```
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&ToolDefinition) -> bool) -> Self {
        let kept = self
            .entries
            .tools
            .iter()
            .filter(|entry| keep(&entry.definition));
        Self::of_different(kept.cloned())
    }

    /// A set of entries no two of which have one name.
    fn of_different(entries: impl Iterator<Item = ToolEntry<S>>) -> Self {
        let mut set = Self::default();
        for entry in entries {
            let added = set.push(entry);
            debug_assert!(added.is_ok(), "{added:?}");
        }
        set
    }

    /// Adds a tool made by the macro. `tools![…]` refused two of one name when it was compiled.
    pub(crate) fn declare(&mut self, declared: Declared<S>) {
        let added = self.push(ToolEntry {
            definition: Arc::clone(declared.definition()),
            runs: Runs::NeedsState(declared),
        });
        debug_assert!(added.is_ok(), "{added:?}");
    }

    fn push(&mut self, entry: ToolEntry<S>) -> Result<(), DuplicateToolError> {
        let entries = Arc::make_mut(&mut self.entries);
        entries.json.take();
        entries.cache = Cache::default();
        match entries.positions.entry(entry.definition.name().to_owned()) {
            btree_map::Entry::Occupied(taken) => Err(DuplicateToolError {
                name: taken.key().clone(),
            }),
            btree_map::Entry::Vacant(free) => {
                free.insert(entries.tools.len());
                entries.tools.push(entry);
                Ok(())
            }
        }
    }
}

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

/// Two tools of one name; the model could not distinguish them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two tools are named `{name}`; rename one, with `#[tool(name = \"…\")]` for example")]
pub struct DuplicateToolError {
    name: String,
}

impl DuplicateToolError {
    /// The name both have.
    pub fn name(&self) -> &str {
        &self.name
    }
}
