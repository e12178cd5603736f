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

fn main() {
    let tools = ::tool_core::tools![everything, nothing].with_state(1_u8);
    ::std::assert_eq!(tools.len(), 2);
}
