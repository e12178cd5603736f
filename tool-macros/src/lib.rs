#![doc = include_str!("../README.md")]

mod attr;
mod doc;
mod errors;
mod expand;
mod fallback;
mod model;
mod tools;
mod ty;
mod validate;

use proc_macro2::TokenStream;
use syn::ItemFn;

/// Makes a function a tool that a language model can call. The function stays what it was.
///
/// # A function
///
/// The doc comment tells the model what the tool is for; a parameter's own tells it what to write there.
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
/// An `async fn` (or one that returns `impl Future`) runs as a task; a plain `fn` runs on a thread of the blocking pool.
///
/// # Parameters
///
/// | parameter | what the model may write |
/// | --- | --- |
/// | `T`, of any type with `serde::Deserialize` and `schemars::JsonSchema` | it must be there |
/// | `&str`, `&[T]`, `&T` | as for `String`, `Vec<T>`, `T`; lent for the call |
/// | `Option<T>`, `Option<&T>` | may be left out |
/// | `#[arg(default = 5)] limit: u32` | may be left out or `null`; the model is shown literal and constant defaults |
/// | `#[arg(range(1..=50))]` | numbers in that range |
/// | `#[arg(name = "type")]`, `#[arg(description = "…")]` | another property name; another description |
/// | `#[state] db: &Db`, or an owned `Clone` type | nothing: it comes from the program |
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
///     name: &str,
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
/// # Results
///
/// A tool returns any `serde::Serialize` type, `()`, or a `Result` of one under any alias, whose error has a `Display`.
/// What serialises as a string goes to the model as that text, everything else as JSON; an error goes to it as
/// `{"error": …, "tool": …}`.
///
/// # Options
///
/// | option | meaning |
/// | --- | --- |
/// | `name = "…"` | the name the model calls it by, instead of the function's |
/// | `description = "…"` | instead of the doc comment |
/// | `timeout = "5s"` | how long a call may run: a number and `ms`, `s`, `m` or `h`, or `"none"` |
/// | `read_only` | calls change nothing |
/// | `crate = my_crate::tool_core` | where `tool_core` is found, if not at `::tool_core` |
///
/// # Mistakes
///
/// Each is reported where it was made, with the mend, and several at once:
///
/// ```compile_fail
/// use tool_core::tool;
///
/// #[tool(desc = "Greet somebody.")] // unknown option `desc`; did you mean `description`?
/// async fn greet(name: &mut String) {} // … take `&T` or `T`, not `&mut T`
/// ```
#[proc_macro_attribute]
pub fn tool(options: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let original = TokenStream::from(item);
    let tokens = match syn::parse2::<ItemFn>(original.clone()) {
        Ok(item) => {
            let options = TokenStream::from(options);
            try_tool(options.clone(), &item).unwrap_or_else(|error| beside(&error, fallback::tool(options, item)))
        }
        Err(error) => beside(&syn::Error::new(error.span(), "`#[tool]` goes on a function with a body"), original),
    };
    tokens.into()
}

fn try_tool(options: TokenStream, item: &ItemFn) -> syn::Result<TokenStream> {
    let tool = model::ToolFn::from_syn(options, item)?; // syntax -> model, spans kept
    validate::check(&tool)?; // rules that need the whole model
    Ok(expand::tool(&tool)) // model -> tokens; cannot fail
}

fn beside(error: &syn::Error, tokens: TokenStream) -> TokenStream {
    [error.to_compile_error(), tokens].into_iter().collect()
}

/// The other half of `tool_core::tools!`, which passes its own path.
#[doc(hidden)]
#[proc_macro]
pub fn tools(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    tools::expand(input.into()).unwrap_or_else(|error| error.to_compile_error()).into()
}
