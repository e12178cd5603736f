//! Tools collected by the linker: every `#[tool(linked)]` of the program
//! (feature `linked`).

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::declared::Tools;
use super::set::ToolSet;

/// The states that linked tools may ask for, each by its type.
///
/// A tool of a library cannot name the program's own state type, so these are looked up when the
/// program starts.
#[derive(Default)]
pub struct States(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl States {
    /// No state at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, in place of an earlier one of its type. What is in an `Arc` goes through
    /// [`with_shared_state`](Self::with_shared_state).
    #[must_use]
    pub fn with_state<T: Send + Sync + 'static>(self, state: T) -> Self {
        self.with_shared_state(Arc::new(state))
    }

    /// As [`with_state`](Self::with_state), for state that the program shares, or a trait object.
    #[must_use]
    pub fn with_shared_state<T: Send + Sync + ?Sized + 'static>(mut self, state: Arc<T>) -> Self {
        self.0.insert(
            TypeId::of::<Arc<Arc<T>>>(),
            Box::new(Arc::new(Arc::clone(&state))),
        ); // for `#[state] state: Arc<T>`
        self.0.insert(TypeId::of::<Arc<T>>(), Box::new(state));
        self
    }

    /// The state of that type. Used by generated code.
    ///
    /// # Errors
    /// The name of the type, of which none was added.
    #[doc(hidden)]
    pub fn find<T: Send + Sync + ?Sized + 'static>(&self) -> Result<Arc<T>, &'static str> {
        let found = self
            .0
            .get(&TypeId::of::<Arc<T>>())
            .and_then(|state| state.downcast_ref::<Arc<T>>());
        found.cloned().ok_or_else(type_name::<T>)
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("States").field(&self.0.len()).finish()
    }
}

/// One tool, as the linker lists it. Used by generated code.
#[derive(Debug)]
pub struct LinkedTool {
    name: &'static str,
    module: &'static str,
    bind: Bind,
}

/// A set of one tool, or the types of the states that are missing.
type Bind = fn(&States) -> Result<ToolSet, Vec<&'static str>>;

impl LinkedTool {
    /// The tool `name`, declared in `module`.
    pub const fn new(name: &'static str, module: &'static str, bind: Bind) -> Self {
        Self { name, module, bind }
    }
}

inventory::collect!(LinkedTool);

/// A set of the tools of one type. Used by generated code.
pub fn linked<T: Tools<S>, S: Send + Sync + 'static>(state: S) -> ToolSet {
    let mut set = ToolSet::default();
    T::add_to(&mut set);
    set.with_state(state)
}

/// What was not found. Used by generated code.
pub fn missing<const STATES: usize>(missing: [Option<&'static str>; STATES]) -> Vec<&'static str> {
    missing.into_iter().flatten().collect()
}

impl ToolSet {
    /// Every `#[tool(linked)]` of the program, in the order of their names (feature `linked`).
    ///
    /// A crate with such tools must be linked: one that is in `Cargo.toml` and not named in code is
    /// not, and `use that_crate as _;` is enough. Works where
    /// [`inventory`](https://docs.rs/inventory) does: Linux, macOS, Windows, the BSDs, Android, iOS
    /// and WebAssembly.
    ///
    /// # Errors
    /// A tool asks for a state that is not in `states`, or two have one name.
    ///
    /// ```
    /// use tool_core::{States, ToolSet, tool};
    ///
    /// struct Greeting(String);
    ///
    /// /// Greet somebody.
    /// #[tool(linked)]
    /// async fn greet(#[state] greeting: &Greeting, name: &str) -> String {
    ///     format!("{}, {name}!", greeting.0)
    /// }
    ///
    /// let tools = ToolSet::linked(&States::new().with_state(Greeting("Hello".to_owned())))?;
    /// assert!(tools.definition("greet").is_some());
    ///
    /// let error = ToolSet::linked(&States::new()).unwrap_err();
    /// assert!(error.to_string().starts_with("tool `greet` needs `"));
    /// # Ok::<(), tool_core::LinkedError>(())
    /// ```
    pub fn linked(states: &States) -> Result<Self, LinkedError> {
        let mut tools: Vec<&LinkedTool> = inventory::iter::<LinkedTool>().collect();
        tools.sort_by_key(|tool| (tool.name, tool.module)); // the linker's own order is not stable
        let (mut set, mut missing) = (Self::default(), Vec::new());
        for (position, tool) in tools.iter().enumerate() {
            match (tool.bind)(states) {
                Err(states) => missing.extend(states.into_iter().map(|state| (tool.name, state))),
                Ok(one) => {
                    set = set.merge(&one).map_err(|_| {
                        let other = tools[..position]
                            .last()
                            .map_or(tool.module, |before| before.module);
                        LinkedError::Duplicate {
                            name: tool.name,
                            modules: [other, tool.module],
                        }
                    })?;
                }
            }
        }
        if missing.is_empty() {
            Ok(set)
        } else {
            Err(LinkedError::MissingStates(missing))
        }
    }
}

/// Why the linked tools of a program cannot form a set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkedError {
    /// Tools ask for states that are not there: the tool's name, and the state's type.
    MissingStates(Vec<(&'static str, &'static str)>),
    /// Two tools have one name.
    Duplicate {
        /// The name.
        name: &'static str,
        /// Where they are declared.
        modules: [&'static str; 2],
    },
}

impl fmt::Display for LinkedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingStates(missing) => {
                for (tool, state) in missing {
                    write!(f, "tool `{tool}` needs `{state}`; ")?;
                }
                f.write_str("add what is missing with `States::with_state`")
            }
            Self::Duplicate {
                name,
                modules: [first, second],
            } => {
                write!(
                    f,
                    "two linked tools are named `{name}`, in `{first}` and in `{second}`; rename one with `#[tool(name = \"…\")]`"
                )
            }
        }
    }
}

impl std::error::Error for LinkedError {}
