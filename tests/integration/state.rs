//! State reaches the tools that declare it, and no others.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tool_core::{Dispatcher, Provide, tool, tools};

use crate::support::{calls, contents};

#[derive(Clone, Default)]
struct Db(Arc<Mutex<Vec<String>>>);

trait Clock: Send + Sync {
    fn now(&self) -> u64;
}

struct Stopped(u64);

impl Clock for Stopped {
    fn now(&self) -> u64 {
        self.0
    }
}

struct App {
    db: Db,
    clock: Box<dyn Clock>,
}

impl Provide<Db> for App {
    fn provide(&self) -> &Db {
        &self.db
    }
}

impl Provide<dyn Clock> for App {
    fn provide(&self) -> &(dyn Clock + 'static) {
        &*self.clock
    }
}

/// Write a note.
#[tool]
async fn write(note: String, #[state] db: Db) -> usize {
    let mut notes = db.0.lock().unwrap();
    notes.push(note);
    notes.len()
}

/// Count the notes.
#[tool]
fn count(#[state] db: &Db, #[state] clock: &dyn Clock) -> (usize, u64) {
    (db.0.lock().unwrap().len(), clock.now())
}

#[tokio::test]
async fn each_tool_borrows_the_state_it_declares() {
    let app = App {
        db: Db::default(),
        clock: Box::new(Stopped(7)),
    };
    let db = app.db.clone();
    let dispatcher = Dispatcher::new(tools![write, count].with_state(app)).with_max_concurrency(1);
    let results = dispatcher
        .dispatch(calls([("write", r#"{"note": "a"}"#), ("count", "{}")]))
        .await;
    assert_eq!(contents(&results), ["1", "[1,7]"]);
    assert_eq!(*db.0.lock().unwrap(), ["a"]);
}

#[test]
fn state_is_no_part_of_the_definition() {
    let tools = tools![write, count].with_state(App {
        db: Db::default(),
        clock: Box::new(Stopped(7)),
    });
    assert_eq!(
        tools.definition("write").unwrap().parameters()["properties"],
        json!({"note": {"type": "string"}})
    );
    assert_eq!(
        tools.definition("count").unwrap().parameters()["properties"],
        json!({})
    );
}

/// Count up.
#[tool]
async fn count_up(#[state] counter: &AtomicU32) -> u32 {
    counter.fetch_add(1, Ordering::SeqCst) + 1
}

#[tokio::test]
async fn the_program_keeps_a_hold_of_shared_state() {
    let counter = Arc::new(AtomicU32::new(0));
    let dispatcher = Dispatcher::new(tools![count_up].with_shared_state(Arc::clone(&counter)));
    drop(dispatcher.dispatch(calls([("count_up", "{}"); 5])).await);
    assert_eq!(counter.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn an_arc_provides_what_is_in_it() {
    let counter = Arc::new(AtomicU32::new(0));
    let dispatcher = Dispatcher::new(tools![count_up].with_state(Arc::clone(&counter)));
    drop(dispatcher.dispatch(calls([("count_up", "{}"); 2])).await);
    assert_eq!(counter.load(Ordering::SeqCst), 2);

    /// Get the time.
    #[tool]
    fn current_time(#[state] clock: &dyn Clock) -> u64 {
        clock.now()
    }

    let clock: Arc<dyn Clock> = Arc::new(Stopped(9));
    let results = Dispatcher::new(tools![current_time].with_state(clock))
        .dispatch(calls([("current_time", "{}")]))
        .await;
    assert_eq!(contents(&results), ["9"]);
}

#[tokio::test]
async fn one_set_serves_many_states() {
    let tools = tools![count_up];
    for start in [0, 10] {
        let dispatcher = Dispatcher::new(tools.clone().with_state(AtomicU32::new(start)));
        assert_eq!(
            contents(&dispatcher.dispatch(calls([("count_up", "{}")])).await),
            [(start + 1).to_string()]
        );
    }
}
