use std::sync::Arc;
use tool_core::Provide;

/// Holds nothing of its own type, though it looks so.
#[derive(Provide)]
struct App {
    arc: Arc<std::sync::Mutex<Option<App>>>,
}

#[test]
fn is_accepted() {
    let app = App {
        arc: Arc::default(),
    };
    let inner: &std::sync::Mutex<Option<App>> = app.provide();
    assert!(inner.lock().is_ok_and(|inner| inner.is_none()));
}
