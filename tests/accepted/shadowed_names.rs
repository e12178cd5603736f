#![allow(
    dead_code,
    unused_macros,
    non_upper_case_globals,
    non_snake_case,
    non_camel_case_types
)]

struct Result;
struct Option;
struct String;
struct Box;
struct Vec;
struct Arc;
struct ToolSet;
struct Sync;
struct Send;
struct u32;
struct str;
struct Default;
struct ToOwned;
trait Clone {
    fn clone(&self) {}
}
trait Serialize {}

impl<T> Clone for T {}

fn Ok() {}
fn Err() {}
fn Some() {}
fn drop() {}
const None: () = ();

mod core {}
mod std {}
mod alloc {}
mod serde {}
mod serde_json {}
mod schemars {}
mod tokio {}

macro_rules! concat {
    () => {};
}
macro_rules! vec {
    () => {};
}

/// Take everything by its full name.
#[tool_core::tool(timeout = "5s", read_only)]
async fn everything(
    text: ::std::string::String,
    borrowed: &::core::primitive::str,
    optional: ::std::option::Option<&::core::primitive::str>,
    #[arg(default = 5, range(1..=9))] number: ::core::primitive::u32,
    #[arg(default = "north")] place: &::core::primitive::str,
    #[state] owned: ::core::primitive::u8,
) -> ::std::result::Result<::std::string::String, ::std::io::Error> {
    let _ = (borrowed, optional, number, place, owned);
    ::std::result::Result::Ok(text)
}

/// Take a number.
#[tool_core::tool]
fn number(
    #[arg(default = -1)] call: i64,
    arguments: i64,
    state: i64,
    set: ::std::option::Option<i64>,
) -> i64 {
    call + arguments + state + set.unwrap_or(0)
}

/// Say everything of it.
#[tool_core::tool(
    concurrency = 4,
    serialize_by(text),
    idempotent,
    retry(attempts = 5, backoff = "50ms"),
    strict,
    linked
)]
async fn behave(
    #[arg(default = "north", length(1..=9))] text: ::std::string::String,
    #[serde(default)] flag: bool,
    #[serde(alias = "count")]
    #[arg(length(..=9), default = "a")]
    code: ::std::string::String,
    #[state] state: &::core::primitive::u8,
    #[context] context: &tool_core::CallContext,
) -> usize {
    let _ = (text, flag, code, state);
    context.position()
}

/// Take an object.
#[tool_core::tool(inline)]
fn whole(#[args] arguments: ::std::collections::BTreeMap<::std::string::String, bool>) {
    ::core::mem::drop(arguments);
}

struct Hospital;

#[tool_core::toolbox]
impl Hospital {
    /// Count the beds.
    #[tool(read_only)]
    async fn count_beds(
        &self,
        #[arg(default = 1, range(1..=5))] call: i64,
        set: ::std::option::Option<i64>,
    ) -> i64 {
        let _ = set;
        call
    }
}

#[derive(tool_core::Provide)]
struct App {
    hospital: ::std::sync::Arc<Hospital>,
    number: ::core::primitive::u8,
}

#[test]
fn is_accepted() {
    let app = App {
        hospital: ::std::sync::Arc::new(Hospital),
        number: 1,
    };
    let set = tool_core::tools![everything, number, behave, whole, Hospital].with_state(app);
    assert_eq!(set.len(), 5);
}
