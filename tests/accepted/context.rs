use tool_core::{CallContext, tool, tools};

type Context = CallContext;

/// Return the id.
#[tool]
async fn later(#[context] cx: &CallContext) -> String {
    cx.id().to_owned()
}

/// Return the id, on a thread.
#[tool]
fn threaded(name: &str, #[context] cx: &tool_core::CallContext) -> String {
    format!("{name} {}", cx.id())
}

/// Return the id, here.
#[tool(inline)]
fn inline(#[context] _: &Context, #[state] greeting: &String) -> String {
    greeting.clone()
}

/// Return the id, in a future.
#[tool]
fn in_future(#[context] cx: &CallContext) -> impl Future<Output = String> + Send {
    std::future::ready(cx.id().to_owned())
}

/// Return the place and the name.
#[tool]
async fn place(#[context] cx: &CallContext) -> usize {
    cx.position() + cx.tool().len()
}

#[test]
fn is_accepted() {
    assert_eq!(
        tools![later, threaded, inline, in_future, place]
            .with_state(String::new())
            .len(),
        5
    );
}
