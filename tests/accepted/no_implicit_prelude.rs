#![no_implicit_prelude]

/// Take a number, a text and a list.
#[::tool_core::tool]
async fn everything(
    #[arg(default = 5, range(1..=9))] number: u32,
    text: &str,
    list: &[u8],
    optional: ::std::option::Option<&str>,
    #[state] state: u8,
) -> ::std::result::Result<::std::string::String, ::std::string::String> {
    let _ = (number, list, optional, state);
    ::std::result::Result::Ok(::std::convert::From::from(text))
}

/// Take nothing.
#[::tool_core::tool]
fn nothing() {}

/// Say everything of it.
#[::tool_core::tool(
    timeout = "5s",
    concurrency = 4,
    exclusive,
    serialize_by(text),
    idempotent,
    retry(attempts = 5, backoff = "50ms"),
    strict,
    linked
)]
async fn behave(
    #[arg(default = "north", length(1..=9))] text: &str,
    #[arg(length(..=9))] list: ::std::option::Option<&[u8]>,
    #[serde(default)] flag: bool,
    #[serde(alias = "count", default = "first")] page: u32,
    number: ::std::option::Option<u32>,
    #[arg(length(..=9))] code: ::std::string::String,
    #[state] state: &u8,
    #[context] cx: &::tool_core::CallContext,
) -> usize {
    let _ = (text, list, flag, page, number, code, state);
    cx.position()
}

fn first() -> u32 {
    1
}

/// Take an object.
#[::tool_core::tool(inline)]
fn whole(#[args] map: ::std::collections::BTreeMap<::std::string::String, u32>) {
    ::std::mem::drop(map);
}

struct Hospital;

#[::tool_core::toolbox]
impl Hospital {
    /// Count the beds.
    #[tool(read_only)]
    async fn count_beds(
        &self,
        #[arg(default = 1, range(1..=5))] floor: u32,
        ward: &str,
        other: ::std::option::Option<&u32>,
    ) -> u32 {
        let _ = (ward, other);
        floor
    }

    /// Count the wards.
    #[tool]
    fn count_wards(
        &self,
        #[context] cx: &::tool_core::CallContext,
        #[args] map: &::std::collections::BTreeMap<::std::string::String, u32>,
    ) -> usize {
        let _ = cx;
        map.len()
    }
}

#[derive(::tool_core::Provide)]
struct App {
    hospital: ::std::sync::Arc<Hospital>,
    number: u8,
}

#[test]
fn is_accepted() {
    let app = App {
        hospital: ::std::sync::Arc::new(Hospital),
        number: 1,
    };
    let tools = ::tool_core::tools![everything, nothing, behave, whole, Hospital].with_state(app);
    ::std::assert_eq!(tools.len(), 6);
}
