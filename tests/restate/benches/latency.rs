//! Calls under an engine, beside a hand-written client of the same engine, in one run; and how calls
//! that sleep spread over workers. `RESTATE_SERVER=… cargo bench --bench latency`

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use restate_tests::engine::{ADMIN, Engine, INGRESS, registered};
use tool_core::{Dispatcher, ToolCall};
use tool_restate::Remote;

const WORKER: &str = env!("CARGO_BIN_EXE_worker");
const CALLS_THAT_SLEEP: u32 = 1000;
const CALLS: [usize; 4] = [1, 10, 50, 1000];

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn unique() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("run {}", NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn by_hand(http: &reqwest::Client, calls: usize) -> Result<(), Failure> {
    let run = unique();
    let call = |number: usize| {
        let request = http
            .post(format!("{INGRESS}/tool.length/call"))
            .header("content-type", "application/json")
            .header("idempotency-key", format!("{run}-{number}"))
            .body(r#"{"text": "four"}"#);
        async move {
            request
                .send()
                .await?
                .error_for_status()?
                .json::<serde_json::Value>()
                .await
        }
    };
    for answer in futures_util::future::join_all((0..calls).map(call)).await {
        assert_eq!(answer?[0]["text"], "4");
    }
    Ok(())
}

async fn ours(dispatcher: &Dispatcher, calls: usize) -> Result<(), Failure> {
    let call = |number| ToolCall::new(format!("{number}"), "length", r#"{"text": "four"}"#);
    let results = dispatcher
        .dispatch_as(&unique(), (0..calls).map(call).collect())?
        .await;
    assert!(results.iter().all(|result| result.content() == "4"));
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let engine = Engine::start();
    let worker = engine.worker(WORKER, 9080);
    registered("http://127.0.0.1:9080").await;
    let tools = Remote::connect(INGRESS, ADMIN).await?.tools();
    let dispatcher = Dispatcher::new(tools.clone()).with_max_concurrency(1000);
    let http = reqwest::Client::new();
    for calls in CALLS {
        let (mut alone, mut here) = (Vec::new(), Vec::new());
        for round in 0..(400 / calls).clamp(7, 60) {
            let start = Instant::now();
            by_hand(&http, calls).await?;
            let by_hand = start.elapsed();
            let start = Instant::now();
            ours(&dispatcher, calls).await?;
            if round > 0 {
                alone.push(by_hand);
                here.push(start.elapsed());
            }
        }
        let (alone, here) = (median(alone), median(here));
        let ratio = here.as_secs_f64() / alone.as_secs_f64();
        println!("{calls:>5} calls: {alone:>8.1?} by hand, {here:>8.1?} here: {ratio:.2} x");
    }
    drop((worker, engine));

    // Each worker runs 64 calls at once.
    for count in [1_u16, 2, 4] {
        let engine = Engine::start();
        let mut config = BALANCER.to_owned();
        let workers: Vec<_> = (1..=count)
            .map(|number| {
                config += &format!("  server w{number} 127.0.0.1:{} proto h2\n", 9300 + number);
                engine.worker(WORKER, 9300 + number)
            })
            .collect();
        let file = engine.folder().join("haproxy.cfg");
        std::fs::write(&file, config)?;
        let program = restate_tests::engine::program("HAPROXY", "apt-get install haproxy");
        let mut command = std::process::Command::new(program);
        let balancer =
            restate_tests::scenario::Process::start(command.arg("-db").arg("-f").arg(&file));
        restate_tests::scenario::until("the balancer starts", || {
            restate_tests::scenario::listens("127.0.0.1:9300")
        });
        registered("http://127.0.0.1:9300").await;
        let tools = Remote::connect(INGRESS, ADMIN).await?.tools();
        // As many as the workers run at once.
        let dispatcher = Dispatcher::new(tools).with_max_concurrency(64 * usize::from(count));
        let call = |number| {
            ToolCall::new(
                format!("{number}"),
                "work_again",
                r#"{"tag": "t", "milliseconds": 200}"#,
            )
        };
        let start = Instant::now();
        let results = dispatcher
            .dispatch_as(&unique(), (0..CALLS_THAT_SLEEP).map(call).collect())?
            .await;
        let failed = results
            .iter()
            .filter(|result| result.outcome().is_err())
            .count();
        let rate = f64::from(CALLS_THAT_SLEEP) / start.elapsed().as_secs_f64();
        println!("{count} workers: {rate:.0} calls a second that sleep 200 ms, {failed} failed");
        drop((workers, balancer, engine));
    }
    Ok(())
}

const BALANCER: &str = "\
global
  tune.h2.max-concurrent-streams 2000
defaults
  mode http
  timeout connect 2s
  timeout client 1h
  timeout server 1h
frontend tools
  bind 127.0.0.1:9300 proto h2
  default_backend workers
backend workers
  balance leastconn
";
