//! The tools a model may call: in declaration order, each name once.

mod lookup;

use std::any::Any;
use std::borrow::Borrow;
use std::collections::btree_map::{self, BTreeMap};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use super::declared::Declared;
use super::runnable::{Foreign, Runnable};
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
