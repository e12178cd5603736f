use std::future::Future;
use tool_core::{tool, tools};

/// Add two numbers.
#[tool]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// Add two numbers, later.
#[tool]
async fn add_later(a: i64, b: i64) -> i64 {
    a + b
}

/// Add two numbers, in a future.
#[tool]
fn add_in_future(a: i64, b: i64) -> impl Future<Output = i64> + Send {
    async move { a + b }
}

/// Add two numbers, in a future that is in a box.
#[tool(structured)]
fn add_in_box(a: i64, b: i64) -> std::pin::Pin<Box<dyn Future<Output = i64> + Send>> {
    Box::pin(async move { a + b })
}

/// Do nothing.
#[tool]
fn nothing() {}

/// Do nothing, later.
#[tool()]
async fn nothing_later() {}

#[test]
fn is_accepted() {
    assert_eq!(
        tools![
            add,
            add_later,
            add_in_future,
            add_in_box,
            nothing,
            nothing_later,
        ]
        .len(),
        6
    );
    assert_eq!(add(1, 2), 3);
    let (_, _, ()) = (add_later(1, 2), add_in_future(1, 2), nothing());
}
