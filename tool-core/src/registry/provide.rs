//! How state reaches a tool, checked at compile time.

use std::sync::Arc;

/// Provides state of type `T` to tools with a `#[state]` parameter (dependency injection).
///
/// Every type provides itself, and an `Arc<T>` provides `T`. A program's own state type says what
/// else it holds, with [`#[derive(Provide)]`](derive@crate::Provide) or by hand:
///
/// ```
/// use tool_core::{tool, tools, Provide};
///
/// struct Db;
/// struct App { pools: Vec<Db> }
///
/// impl Provide<Db> for App {
///     fn provide(&self) -> &Db {
///         &self.pools[0]
///     }
/// }
///
/// /// Count the patients.
/// #[tool]
/// async fn count_patients(#[state] db: &Db) -> u64 {
///     let _ = db;
///     3
/// }
///
/// let tools = tools![count_patients].with_state(App { pools: vec![Db] });
/// assert_eq!(tools.len(), 1);
/// ```
///
/// State that does not provide what a tool asks for does not compile:
///
/// ```compile_fail,E0277
/// # use tool_core::{tool, tools};
/// # struct Db;
/// /// Count the patients.
/// #[tool]
/// async fn count_patients(#[state] db: &Db) -> u64 {
///     let _ = db;
///     3
/// }
///
/// let tools = tools![count_patients].with_state("no database here");
/// ```
#[diagnostic::on_unimplemented(
    message = "the state `{Self}` does not provide `{T}`, which a `#[state]` parameter asks for",
    label = "this tool needs `{T}` from the state",
    note = "call `.with_state(…)` with a `{T}`, or with a struct of your own that has a field of this type and derives `tool_core::Provide`"
)]
pub trait Provide<T: ?Sized> {
    /// The value that a `#[state]` parameter borrows.
    fn provide(&self) -> &T;
}

/// A type behind a name: a trait object is `'static` here, where behind a bare `&` it would live as
/// long as the reference. Used by generated code.
pub type Borrowed<T> = T;

impl<T> Provide<T> for T {
    fn provide(&self) -> &T {
        self
    }
}

impl<T: ?Sized> Provide<T> for Arc<T> {
    fn provide(&self) -> &T {
        self
    }
}
