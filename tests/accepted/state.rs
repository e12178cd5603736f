use std::sync::{Arc, Mutex};
use tool_core::{Provide, ToolSet, tool, tools};

trait Clock: Send + Sync {
    fn now(&self) -> u64;
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> u64 {
        7
    }
}

#[derive(Clone)]
struct Db(Arc<Mutex<Vec<String>>>);

struct App {
    db: Db,
    clock: Arc<dyn Clock>,
    name: String,
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

impl Provide<Arc<dyn Clock>> for App {
    fn provide(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}

impl Provide<str> for App {
    fn provide(&self) -> &str {
        &self.name
    }
}

/// Borrow a database.
#[tool]
async fn borrowed(#[state] db: &Db) -> usize {
    db.0.lock().map_or(0, |names| names.len())
}

/// Clone a database.
#[tool]
async fn owned(#[state] db: Db, name: String) -> usize {
    db.0.lock().map_or(0, |mut names| {
        names.push(name);
        names.len()
    })
}

/// Borrow several things.
#[tool]
fn several(
    #[state] db: &Db,
    name: &str,
    #[state] clock: &dyn Clock,
    #[state] shared: Arc<dyn Clock>,
    #[state] text: &str,
) -> u64 {
    let _ = (db, name, text);
    clock.now() + shared.now()
}

/// Borrow the whole.
#[tool]
async fn whole(#[state] app: &App) -> u64 {
    app.clock.now()
}

/// Ask for nothing.
#[tool]
async fn nothing() {}

#[test]
fn is_accepted() {
    let app = || App {
        db: Db(Arc::default()),
        clock: Arc::new(Stopped),
        name: "app".to_owned(),
    };
    let all: ToolSet<App> = tools![borrowed, owned, several, whole, nothing];
    assert_eq!(all.clone().with_state(app()).len(), 5);
    assert_eq!(all.with_shared_state(Arc::new(app())).len(), 5);
    assert_eq!(
        tools![borrowed, nothing]
            .with_state(Arc::new(Db(Arc::default())))
            .len(),
        2
    );
    assert_eq!(tools![borrowed].with_state(Db(Arc::default())).len(), 1);
}
