//! A use of each macro that is a program in every edition; `main.rs` runs it under each.
#![deny(warnings, rust_2018_idioms)]

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use tool_core::{CallContext, Dispatcher, Provide, States, ToolCall, ToolSet, schemars, serde, tool, toolbox, tools};

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "tool_core::serde")]
#[schemars(crate = "tool_core::schemars")]
struct Query {
    name: String,
}

struct Greeting(String);

/// Greet somebody.
#[tool(timeout = "5s", read_only, retry(attempts = 2), concurrency = 4, serialize_by(name))]
async fn greet(
    #[state] greeting: &Greeting,
    #[context] cx: &CallContext,
    #[arg(length(1..=9))] name: &str,
    #[arg(default = 1, range(1..=3))] r#gen: u32,
    #[serde(alias = "many")] times: Option<usize>,
    #[schemars(extend("examples" = ["a"]))]
    #[arg(default = "!")]
    end: String,
    list: Option<&[u8]>,
) -> Result<String, std::num::ParseIntError> {
    let count: usize = "1".parse()?;
    let times = times.unwrap_or(count) + list.map_or(0, <[u8]>::len);
    Ok(format!("{} {}{}{} at {}", greeting.0, name.repeat(times), r#gen, end, cx.position()))
}

/// Borrow a text in a future.
#[tool]
fn measure(text: &str) -> impl Future<Output = usize> + Send + '_ {
    async move { text.len() }
}

/// Say a name.
#[tool(inline)]
fn say(#[args] query: Query) -> String {
    query.name
}

/// Count what is in an object.
#[tool(linked, type = CountAll)]
fn count_all(#[args] map: &BTreeMap<String, u32>, #[state] greeting: &Greeting) -> usize {
    map.len() + greeting.0.len()
}

struct Hospital<T> {
    beds: T,
}

#[toolbox]
impl<T: Copy + Into<u64> + Send + Sync + 'static> Hospital<T> {
    /// Count the beds.
    #[tool]
    async fn count_beds(&self, #[arg(default = 1)] more: u64) -> u64 {
        self.beds.into() + more
    }

    /// Count the wards.
    #[tool]
    fn count_wards(&self, ward: Option<&str>) -> usize {
        ward.map_or(3, str::len)
    }
}

#[derive(Provide)]
struct App {
    greeting: Greeting,
    hospital: Arc<Hospital<u8>>,
}

macro_rules! adder {
    ($name:ident, $ty:ty, $more:expr) => {
        /// Add.
        #[tool]
        fn $name(number: $ty, #[arg(default = $more)] more: u32) -> u32 {
            number.unwrap_or(0) + more
        }
    };
}

adder!(add, Option<u32>, 2);

fn main() {
    let app = App { greeting: Greeting("Hello".to_owned()), hospital: Arc::new(Hospital { beds: 12 }) };
    let dispatcher = Dispatcher::new(tools![greet, measure, say, CountAll, Hospital<u8>, add].with_state(app));
    for (name, arguments, expected) in [
        ("greet", r#"{"name": "Ada", "many": 2, "gen": 3}"#, "Hello AdaAda3! at 0"),
        ("measure", r#"{"text": "abc"}"#, "3"),
        ("say", r#"{"name": "Ada"}"#, "Ada"),
        ("count_all", r#"{"a": 1}"#, "6"),
        ("count_beds", "{}", "13"),
        ("count_wards", r#"{"ward": "north"}"#, "5"),
        ("add", r#"{"number": 5}"#, "7"),
    ] {
        let results = dispatcher.dispatch_blocking(vec![ToolCall::new("call_1", name, arguments)]);
        assert_eq!(results[0].content(), expected, "{}", name);
    }
    let linked = ToolSet::linked(&States::new().with_state(Greeting(String::new()))).expect("its state is there");
    assert_eq!(linked.len(), 1);
}
