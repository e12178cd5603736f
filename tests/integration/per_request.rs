//! One dispatcher for the program, bound to the state of each request.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;
use tool_core::{
    CallContext, Decision, Dispatcher, HeldFor, ToolCall, ToolResult, Waterfall, tool, tools,
};
use tower::{Service, layer::layer_fn};

use crate::rogue_layers::around;
use crate::support::{calls, codes, contents};

/// What the service has for all requests: how many calls run, and the most that ever did.
#[derive(Default)]
struct Running {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Running {
    async fn work(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        sleep(Duration::from_millis(10)).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A request: who makes it, and what the service has.
struct Session {
    user: String,
    running: Arc<Running>,
}

/// Say who is logged in.
#[tool(concurrency = 2)]
async fn whoami(#[state] session: &Session) -> String {
    session.running.work().await;
    session.user.clone()
}

/// Say who is logged in, from a thread.
#[tool]
fn whoami_blocking(#[state] session: &Session) -> String {
    session.user.clone()
}

/// Say who is logged in, by way of another call.
#[tool]
async fn ask(#[context] cx: &CallContext) -> String {
    contents(&cx.dispatch(calls([("whoami", "{}")])).await).concat()
}

fn session(user: &str, running: &Arc<Running>) -> Session {
    Session {
        user: user.to_owned(),
        running: Arc::clone(running),
    }
}

#[tokio::test(start_paused = true)]
async fn requests_of_different_users_share_the_limits() {
    let shared = Dispatcher::new(tools![whoami]);
    let running = Arc::<Running>::default();
    let requests = (0..10).map(|user| {
        let mine = shared.with_state(session(&format!("user {user}"), &running));
        async move { mine.dispatch(calls([("whoami", "{}"); 4])).await }
    });
    let answers = join_all(requests).await;
    for (user, results) in answers.iter().enumerate() {
        assert_eq!(contents(results), vec![format!("user {user}"); 4]);
    }
    assert_eq!(running.most.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_bound_dispatcher_needs_the_original_no_more() {
    let running = Arc::default();
    let shared = Dispatcher::new(tools![whoami, whoami_blocking, ask]);
    let owned = shared.with_state(session("Ada", &running));
    let kept = Arc::new(session("Grace", &running));
    let borrowed = shared.with_shared_state(Arc::clone(&kept));
    drop(shared);
    let batch = || calls([("whoami", "{}"), ("whoami_blocking", "{}"), ("ask", "{}")]);
    assert_eq!(contents(&owned.dispatch(batch()).await), ["Ada"; 3]);
    assert_eq!(contents(&borrowed.dispatch(batch()).await), ["Grace"; 3]);
    drop(borrowed);
    owned.idle().await;
    assert_eq!(Arc::strong_count(&kept), 1);
}

#[tokio::test(start_paused = true)]
async fn policies_and_layers_read_the_state() {
    let names = around(|mut inner, context: CallContext| {
        let user = context.state::<Session>().unwrap().user.clone();
        Box::pin(async move {
            let output = inner.call(context).await?;
            tool_core::ToolOutput::from_serialize(&format!("{user}: {}", output.text()))
        })
    });
    let shared = Dispatcher::new(tools![whoami])
        .with_layer(names)
        .with_policy(|request| {
            assert!(request.state::<String>().is_none());
            let is_guest = request.state::<Session>().unwrap().user == "guest";
            async move {
                if is_guest {
                    Decision::deny("log in first")
                } else {
                    Decision::Allow
                }
            }
        });
    let running = Arc::default();
    let guest = shared.with_state(session("guest", &running));
    let ada = shared.with_state(session("Ada", &running));
    let batch = || calls([("whoami", "{}")]);
    assert_eq!(codes(&guest.dispatch(batch()).await), ["denied"]);
    assert_eq!(contents(&ada.dispatch(batch()).await), ["Ada: Ada"]);
}

/// What is set on a bound copy holds for that copy, which keeps its state and, unless that is set
/// anew, its limits.
#[tokio::test(start_paused = true)]
async fn what_is_set_on_a_bound_copy_is_its_own() {
    let running = Arc::default();
    let shared = Dispatcher::new(tools![whoami]).with_max_concurrency(1);
    let plain = shared.with_state(session("Ada", &running));
    let strict = plain
        .clone()
        .with_policy(|_| async { Decision::deny("not today") });
    let batch = || calls([("whoami", "{}")]);
    assert_eq!(codes(&strict.dispatch(batch()).await), ["denied"]);
    assert_eq!(contents(&plain.dispatch(batch()).await), ["Ada"]);
    let patient = plain.clone().with_timeout(Duration::from_secs(1));
    let apart = plain.clone().with_max_concurrency(1);
    for (other, most) in [(patient, 1), (apart, 2)] {
        running.most.store(0, Ordering::SeqCst);
        let (one, two) = tokio::join!(plain.dispatch(batch()), other.dispatch(batch()));
        assert_eq!([contents(&one), contents(&two)].concat(), ["Ada"; 2]);
        assert_eq!(running.most.load(Ordering::SeqCst), most);
    }
}

/// A program may set limits again any number of times.
#[tokio::test(start_paused = true)]
async fn a_copy_of_many_copies_has_the_same_state() {
    let mut copy = Dispatcher::new(tools![whoami]).with_state(session("Ada", &Arc::default()));
    for _ in 0..100_000 {
        copy = copy.clone().with_timeout(Duration::from_secs(1));
    }
    let results = copy.dispatch(calls([("whoami", "{}")])).await;
    assert_eq!(contents(&results), ["Ada"]);
}

/// A tool without its state returns an error, and nothing panics.
#[tokio::test(start_paused = true)]
async fn a_tool_that_is_run_without_its_state_is_not_started() {
    let bound = Dispatcher::new(tools![whoami]).with_state(session("Ada", &Arc::default()));
    let elsewhere = Dispatcher::new(bound.tools().clone());
    let results = elsewhere.dispatch(calls([("whoami", "{}")])).await;
    assert_eq!(codes(&results), ["not_started"]);
    assert_eq!(results[0].started(), None);
    let error = results[0].outcome().unwrap_err();
    assert!(!error.message_for_model().contains("Session"), "{error}");
    let source = std::error::Error::source(error).unwrap().to_string();
    assert!(source.contains("Session"), "{source}");
}

/// Nothing has to say that there is no state.
#[tokio::test(start_paused = true)]
async fn without_state_nothing_is_annotated() {
    /// Add two numbers.
    #[tool]
    async fn add(a: i64, b: i64) -> i64 {
        a + b
    }

    let dispatcher = Dispatcher::new(tools![add]).with_timeout(Duration::from_secs(1));
    let clone = dispatcher.clone();
    let results = clone
        .dispatch(vec![ToolCall::new("c", "add", r#"{"a":1,"b":2}"#)])
        .await;
    assert_eq!(contents(&results), ["3"]);
    let _: Dispatcher = tools![add].into();
    let _: Box<dyn Any> = Box::new(Waterfall::new(&results));
    let _ = dispatcher.with_layer(layer_fn(|inner| inner));
}

/// What the service of [`approved_in_a_second_process`] does.
mod bank {
    use std::sync::Mutex;

    use super::*;

    pub(super) struct Customer {
        pub(super) user: String,
        pub(super) sent: Arc<Mutex<Vec<String>>>,
    }

    /// Transfer money to somebody.
    #[tool(destructive, serialize_by(to))]
    async fn transfer(
        #[context] cx: &CallContext,
        #[state] customer: &Customer,
        to: &str,
        cents: u64,
    ) -> String {
        let sent = format!("{} sent {cents} to {to}", customer.user);
        customer.sent.lock().unwrap().push(sent);
        cx.idempotency_key()
    }

    /// Get the balance.
    #[tool(read_only)]
    async fn balance(#[state] customer: &Customer) -> usize {
        customer.user.len()
    }

    /// Transfers of customers who are not known are held.
    pub(super) fn dispatcher() -> Dispatcher<Customer> {
        Dispatcher::new(tools![transfer, balance])
            .with_max_concurrency(4)
            .with_policy(|request| {
                let known = request.state::<Customer>().unwrap().user == "Ada";
                match request.definition().behavior().is_read_only() || known {
                    true => Decision::Allow,
                    false => Decision::Hold,
                }
            })
    }

    pub(super) fn customer(user: &str) -> Customer {
        Customer {
            user: user.to_owned(),
            sent: Arc::default(),
        }
    }
}

/// Where the second process finds the results of the first.
const STORED: &str = "TEST_STORED_RESULTS";

#[tokio::test]
async fn a_transfer_is_approved_in_a_second_process() {
    let shared = bank::dispatcher();
    let [ada, grace] = ["Ada", "Grace"].map(bank::customer);
    let sent = [&ada, &grace].map(|customer| Arc::clone(&customer.sent));
    let message = || {
        calls([
            ("transfer", r#"{"to": "Jana", "cents": 500}"#),
            ("balance", "{}"),
            ("transfer", r#"{"to": "Jana", "cents": 1}"#),
        ])
    };
    let (ada, grace) = (shared.with_state(ada), shared.with_state(grace));
    let (known, held) = tokio::join!(
        ada.dispatch_as("Ada 1", message()).unwrap(),
        grace.dispatch_as("Grace 1", message()).unwrap(),
    );
    assert_eq!(codes(&known), ["ok"; 3]);
    assert_eq!(codes(&held), ["held", "ok", "held"]);
    assert_eq!(sent.map(|sent| sent.lock().unwrap().len()), [2, 0]);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.json");
    std::fs::write(&file, tool_core::serde_json::to_string(&held).unwrap()).unwrap();
    let second = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "per_request::the_second_process", "--nocapture"])
        .env(STORED, &file)
        .output()
        .unwrap();
    let wording = String::from_utf8_lossy(&second.stdout);
    assert!(second.status.success(), "{wording}");
    assert!(wording.contains("approved 500 and 1"), "{wording}");
}

/// Does something when it is started by [`a_transfer_is_approved_in_a_second_process`].
#[tokio::test]
async fn the_second_process() {
    let Some(file) = std::env::var_os(STORED) else {
        return;
    };
    let stored = std::fs::read_to_string(file).unwrap();
    let results: Vec<ToolResult> = tool_core::serde_json::from_str(&stored).unwrap();
    let held: Vec<_> = results.iter().map(ToolResult::held_for).collect();
    let both = [Some(HeldFor::Decision), None, Some(HeldFor::Decision)];
    assert_eq!(held, both);
    let grace = bank::customer("Grace");
    let sent = Arc::clone(&grace.sent);
    let decisions = vec![(0, Decision::Allow), (2, Decision::Allow)];
    let dispatcher = bank::dispatcher().with_state(grace);
    let results = dispatcher.resume(results, decisions).unwrap().await;
    assert_eq!(codes(&results), ["ok"; 3]);
    assert!(contents(&results)[0].ends_with("-0") && contents(&results)[2].ends_with("-2"));
    let sent = sent.lock().unwrap().clone();
    assert_eq!(sent, ["Grace sent 500 to Jana", "Grace sent 1 to Jana"]);
    println!("approved 500 and 1");
}
