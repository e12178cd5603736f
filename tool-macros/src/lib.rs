#![doc = include_str!("../README.md")]

mod attr;
mod doc;
mod errors;
mod expand;
mod fallback;
mod model;
mod provide;
mod toolbox;
mod tools;
mod ty;
mod validate;

use proc_macro2::TokenStream;
use syn::{DeriveInput, ItemFn, ItemImpl};

use crate::errors::Errors;

/// Makes a function a tool for tool calling (function calling) by a language model.
///
/// The function itself does not change.
///
/// # A function
///
/// The doc comment is the description that the model reads; the comment on a parameter describes
/// that parameter.
///
/// ```
/// use tool_core::{tool, tools};
///
/// /// Get the most recent lab results for a patient.
/// #[tool]
/// async fn get_lab_results(
///     /// Patient ID (format: P-NNNNN)
///     patient_id: &str,
///     limit: Option<u32>,
/// ) -> Result<Vec<String>, std::io::Error> {
///     let _ = limit;
///     Ok(vec![format!("no results for {patient_id}")])
/// }
///
/// let tools = tools![get_lab_results];
/// let definition = tools.definition("get_lab_results").unwrap();
/// assert_eq!(definition.description(), "Get the most recent lab results for a patient.");
/// assert_eq!(
///     definition.parameters()["properties"]["patient_id"],
///     tool_core::serde_json::json!({"description": "Patient ID (format: P-NNNNN)", "type": "string"}),
/// );
/// ```
///
/// An `async fn` (or one that returns `impl Future`) runs as a task; a plain `fn` runs on a thread
/// of the blocking pool, or with `inline` on the caller's thread, if it is very fast. Methods
/// become tools with [`toolbox`](macro@toolbox).
///
/// The macro adds a hidden type of the function's name, which `tools![…]` lists and `use`
/// imports. Where that name is taken by a module or another type, give it one: `#[tool(type =
/// SearchTool)]`, listed as `tools![SearchTool]`.
///
/// # Parameters
///
/// | parameter | what the model may write |
/// | --- | --- |
/// | `T`, of any type with `serde::Deserialize` and `schemars::JsonSchema` | it must be there |
/// | `&str`, `&[T]`, `&T` | as for `String`, `Vec<T>`, `T`; borrowed for the call |
/// | `Option<T>`, `Option<&T>` | may be left out |
/// | `#[arg(default = 5)] limit: u32` | may be left out or `null`; the model is shown literal and constant defaults |
/// | `#[arg(range(1..=50))]` | numbers in that range |
/// | `#[arg(length(1..=80))]` | text of that many characters, a list or a map of that many entries |
/// | `#[arg(name = "type")]`, `#[arg(description = "…")]` | another property name; another description |
/// | `#[serde(…)]`, `#[schemars(…)]` | as those derives say of a field: `alias`, `with`, `deserialize_with`, …; what only schemars knows, a `regex` for example, is shown and not checked, and beside such attributes no default is shown |
/// | `#[args] query: LabQuery` | the whole object is one value of that struct |
/// | `#[state] db: &Db`, or an owned `Clone` type | nothing: the program injects it |
/// | `#[context] cx: &CallContext` | nothing: it is the call itself, its id for example |
///
/// ```
/// use tool_core::{Dispatcher, ToolCall, tool, tools};
///
/// struct Greeter(String);
///
/// /// Greet somebody.
/// #[tool]
/// async fn greet(
///     #[state] greeter: &Greeter,
///     #[arg(length(1..=20))] name: &str,
///     /// How many times.
///     #[arg(default = 1, range(1..=3))]
///     times: usize,
/// ) -> String {
///     vec![format!("{}, {name}!", greeter.0); times].join(" ")
/// }
///
/// let dispatcher = Dispatcher::new(tools![greet].with_state(Greeter("Hello".to_owned())));
/// let results = dispatcher.dispatch_blocking(vec![
///     ToolCall::new("call_1", "greet", r#"{"name": "Ada", "times": 2}"#),
///     ToolCall::new("call_2", "greet", r#"{"name": "Ada", "times": 9}"#),
/// ]);
/// assert_eq!(results[0].content(), "Hello, Ada! Hello, Ada!");
/// assert_eq!(results[1].content(), r#"{"error":"`times`: must be at least 1 and at most 3, but is 9","tool":"greet"}"#);
/// ```
///
/// Input from the model never reaches a `#[state]` or `#[context]` parameter: a property of its
/// name is refused as unknown. State is checked at compile time; with
/// [`Provide`](derive@Provide) one value provides several types of state.
///
/// One struct may take the whole object:
///
/// ```
/// use tool_core::{CallContext, Dispatcher, ToolCall, schemars, serde, tool, tools};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// #[serde(crate = "tool_core::serde")]
/// #[schemars(crate = "tool_core::schemars")]
/// struct LabQuery {
///     /// Patient ID (format: P-NNNNN)
///     patient_id: String,
///     #[serde(default)]
///     abnormal_only: bool,
/// }
///
/// /// Count lab results.
/// #[tool]
/// async fn count_lab_results(#[context] cx: &CallContext, #[args] query: LabQuery) -> String {
///     format!("{}: {} has none (abnormal only: {})", cx.id(), query.patient_id, query.abnormal_only)
/// }
///
/// let dispatcher = Dispatcher::new(tools![count_lab_results]);
/// let call = ToolCall::new("call_1", "count_lab_results", r#"{"patient_id": "P-00123"}"#);
/// assert_eq!(dispatcher.dispatch_blocking(vec![call])[0].content(), "call_1: P-00123 has none (abnormal only: false)");
/// ```
///
/// # Results
///
/// A tool returns any `serde::Serialize` type, `()`, or a `Result` of one under any alias, whose
/// error has a `Display`. What serialises as a string goes to the model as that text, everything
/// else as JSON; an error goes to it as `{"error": …, "tool": …}`. What is more than text is
/// returned as `Image`, `Audio`, `Resource` or `Link`, or several of them as `Vec<Content>`; a
/// `ToolOutput` goes to the model as it is.
///
/// # Options
///
/// | option | meaning |
/// | --- | --- |
/// | `name = "…"` | the name the model calls it by, instead of the function's |
/// | `title = "…"` | a title for people, which the model does not read |
/// | `description = "…"` | instead of the doc comment; a constant will do |
/// | `timeout = "5s"` | how long a call may run: a number and `ms`, `s`, `m` or `h`, or `"none"` |
/// | `inline` | a plain `fn` runs on the caller's thread: for a very fast one |
/// | `read_only` | calls change nothing |
/// | `idempotent` | a repeated call changes no more than the first did |
/// | `destructive` | a call may destroy something for good |
/// | `open_world` | calls reach beyond what the program controls: the web, say |
/// | `remote` | the work is done elsewhere: dropping the future does not prove that it has stopped |
/// | `concurrency = 4` | how many calls of it run at once, in all messages of a dispatcher |
/// | `exclusive` | a call starts when the earlier calls of its message are answered, and later ones start when it is |
/// | `serialize_by(patient_id)` | calls with equal values of these parameters run one after the other, in call order, also those of other tools that are serialised by them |
/// | `retry`, `retry(attempts = 3, backoff = "100ms", max_backoff = "10s")` | a call whose tool returns an error is tried again, within its timeout; for `read_only` or `idempotent` tools |
/// | `strict` | its schema has to be one that a service can enforce: `tool_openai::chat::tools` leaves it out otherwise |
/// | `structured` | publishes the schema of what it returns, which needs a `schemars::JsonSchema`, for clients that read values. The output is always JSON, and one that is too long is an error instead of being cut |
/// | `linked` | listed by the linker, for `ToolSet::linked` (feature `linked`) |
/// | `type = SearchTool` | the name of its type, instead of the function's |
/// | `crate = my_crate::tool_core` | where `tool_core` is found, if not at `::tool_core` |
///
/// `read_only`, `idempotent`, `destructive` and `open_world` can be denied, too: `destructive = false`
/// declares that calls destroy nothing; leaving it out declares nothing.
///
/// How calls behave is part of the definition, as `Behavior`, for the dispatcher to act on and for
/// the program to read.
///
/// # Mistakes
///
/// Each is reported where it was made, with the fix, and several at once. (One cannot be: on an
/// associated function outside of a [`toolbox`](macro@toolbox), rustc reports a `struct` in an
/// `impl`.)
///
/// ```compile_fail
/// use tool_core::tool;
///
/// #[tool(desc = "Greet somebody.")] // unknown option `desc`; did you mean `description`?
/// async fn greet(name: &mut String) {} // … take `&T` or `T`, not `&mut T`
/// ```
#[proc_macro_attribute]
pub fn tool(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    let original = TokenStream::from(item);
    let tokens = match syn::parse2::<ItemFn>(original.clone()) {
        Ok(item) => {
            let options = TokenStream::from(options);
            try_tool(options.clone(), &item)
                .unwrap_or_else(|error| beside(&error, fallback::tool(options, item)))
        }
        Err(error) => beside(
            &syn::Error::new(error.span(), "`#[tool]` needs a function with a body"),
            original,
        ),
    };
    tokens.into()
}

fn try_tool(options: TokenStream, item: &ItemFn) -> syn::Result<TokenStream> {
    // syntax -> model, spans kept
    let mut errors = Errors::default();
    let tool = model::ToolFn::from_syn(options, &item.sig, &item.attrs, None, &mut errors);
    validate::check(&tool, &mut errors); // rules that need the whole model
    validate::check_type(&tool, item, &mut errors);
    errors.finish(())?;
    let mut item = item.clone();
    model::without_helpers(&mut item.sig);
    Ok(expand::tool(&item, &tool)) // model -> tokens; cannot fail
}

/// Makes methods tools: those of the `impl` block that have [`#[tool]`](macro@tool), with all its
/// options but those of an item.
///
/// They are listed by their type, and the object they are called on is state:
///
/// ```
/// use tool_core::{Dispatcher, ToolCall, toolbox, tools};
///
/// struct Hospital {
///     patients: Vec<&'static str>,
/// }
///
/// #[toolbox]
/// impl Hospital {
///     /// Find a patient by the beginning of the name.
///     #[tool(read_only)]
///     async fn find_patient(&self, name: &str) -> Option<&str> {
///         self.patients.iter().copied().find(|patient| patient.starts_with(name))
///     }
///
///     /// Count the patients.
///     #[tool(read_only)]
///     fn count_patients(&self) -> usize {
///         self.patients.len()
///     }
///
///     /// No `#[tool]`: no model calls it.
///     pub fn admit(&mut self, patient: &'static str) {
///         self.patients.push(patient);
///     }
/// }
///
/// let mut hospital = Hospital { patients: vec!["Jana Dvořák"] };
/// hospital.admit("Karl Anders");
/// let dispatcher = Dispatcher::new(tools![Hospital].with_state(hospital));
/// let results = dispatcher.dispatch_blocking(vec![
///     ToolCall::new("call_1", "find_patient", r#"{"name": "Jan"}"#),
///     ToolCall::new("call_2", "count_patients", "{}"),
/// ]);
/// assert_eq!(results[0].content(), "Jana Dvořák");
/// assert_eq!(results[1].content(), "2");
/// ```
///
/// A type has one such block for all its tools (for a second one the compiler reports "conflicting
/// implementations"); it may be generic (`tools![Hospital<Pg>]`). One list may hold functions and
/// tools of several types, given a state that provides each ([`Provide`](derive@Provide));
/// `ToolSet::with_prefix` distinguishes two objects of one type. The only option is `crate = path`,
/// as for [`tool`](macro@tool).
#[proc_macro_attribute]
pub fn toolbox(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    let original = TokenStream::from(item);
    let tokens = match syn::parse2::<ItemImpl>(original.clone()) {
        Ok(item) => {
            let options = TokenStream::from(options);
            toolbox::try_toolbox(options.clone(), &item)
                .unwrap_or_else(|error| beside(&error, fallback::toolbox(options, item)))
        }
        Err(error) => beside(
            &syn::Error::new(error.span(), "`#[toolbox]` needs an `impl` block"),
            original,
        ),
    };
    tokens.into()
}

/// Provides each field of a struct as state (dependency injection) to tools that need its type.
///
/// A field `Arc<T>` provides both itself and the `T`. `#[provide(skip)]` leaves a field out; two
/// that provide one type do not compile, since it would not be clear which one a tool gets.
/// `#[provide(crate = path)]` on the struct says where `tool_core` is found.
///
/// ```
/// use std::sync::Arc;
/// use tool_core::{Provide, tool, tools};
///
/// struct Db;
/// struct Cache;
///
/// #[derive(Provide)]
/// struct App {
///     db: Db,
///     cache: Arc<Cache>,
///     #[provide(skip)]
///     started: std::time::Instant,
/// }
///
/// /// Count the patients.
/// #[tool]
/// async fn count_patients(#[state] db: &Db, #[state] cache: &Cache) -> u64 {
///     let _ = (db, cache);
///     3
/// }
///
/// let app = App { db: Db, cache: Arc::new(Cache), started: std::time::Instant::now() };
/// assert!(app.started.elapsed().as_secs() < 60);
/// let tools = tools![count_patients].with_state(app);
/// assert_eq!(tools.len(), 1);
/// ```
#[proc_macro_derive(Provide, attributes(provide))]
pub fn provide(item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let expand = |item: DeriveInput| provide::try_provide(&item);
    syn::parse(item)
        .and_then(expand)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

fn beside(error: &syn::Error, tokens: TokenStream) -> TokenStream {
    [error.to_compile_error(), tokens].into_iter().collect()
}

/// The other half of `tool_core::tools!`, which passes its own path.
#[doc(hidden)]
#[proc_macro]
pub fn tools(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    tools::expand(input.into())
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
