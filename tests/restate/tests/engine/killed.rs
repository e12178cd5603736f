//! Workers, the engine and callers that are killed while calls run.

use super::*;

/// Three workers behind a balancer.
struct Cluster {
    engine: Engine,
    workers: Vec<Process>,
    _balancer: Process,
}

impl Cluster {
    async fn start() -> Self {
        let engine = Engine::start();
        let workers = (1..=3)
            .map(|number| engine.worker(WORKER, 9300 + number))
            .collect();
        let config = engine.folder().join("haproxy.cfg");
        fs::write(&config, HAPROXY).unwrap();
        let mut balancer = Command::new(program(
            "HAPROXY",
            "apt-get install haproxy, and name its program",
        ));
        let balancer = Process::start(balancer.arg("-db").arg("-f").arg(&config));
        until("the balancer starts", || listens("127.0.0.1:9300"));
        registered("http://127.0.0.1:9300").await;
        Self {
            engine,
            workers,
            _balancer: balancer,
        }
    }
}

impl Adapter for Cluster {
    fn caller(&self, run_id: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caller"));
        command.args(["remote", run_id, INGRESS, ADMIN]);
        command
    }

    fn kill_worker(&mut self, number: usize) {
        let index = number % self.workers.len();
        self.workers[index].kill();
        self.workers[index] = self.engine.worker(WORKER, 9301 + index as u16);
    }

    fn kill_engine(&mut self) {
        self.engine.kill_and_restart();
    }

    fn log(&self) -> PathBuf {
        self.engine.log()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_calls_survive_killed_workers_engine_and_caller() {
    let seed = std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap());
    let report = scenario::sixty_calls(&mut Cluster::start().await, seed);
    println!("{report}");
    assert_eq!(report.wrong, Vec::<String>::new());
    assert_eq!(report.lost, 0);
    // A worker that dies between its last line and its answer has finished, which is not known.
    assert!(report.ended_twice <= report.kills, "{report}");
    assert_eq!(report.begun_after, 0, "what is done is not begun again");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_calls_run_once_when_nothing_is_killed() {
    let report = scenario::undisturbed(&mut Cluster::start().await, 1);
    println!("{report}");
    assert_eq!(report.wrong, Vec::<String>::new());
    let counts = (report.lost, report.begun_again, report.ended_twice);
    assert_eq!(counts, (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_open_calls_survive_a_killed_engine() {
    let mut engine = Engine::start();
    let _worker = engine.worker(WORKER, 9080);
    registered("http://127.0.0.1:9080").await;
    let dispatcher = dispatcher().await.with_max_concurrency(1000);
    let dispatcher = dispatcher.with_timeout(Duration::from_secs(60));
    let arguments = |number| format!(r#"{{"tag": "m{number}", "milliseconds": 200}}"#);
    let calls = (0..1000).map(|number| call("work_again", &arguments(number)));
    let mut results = dispatcher.stream(calls.collect());
    let (mut failed, mut left) = (Vec::new(), 1000);
    while let Some(result) = results.next().await {
        left -= 1;
        if left == 900 {
            engine.kill_and_restart();
        }
        failed.extend(result.outcome().err().map(ToString::to_string));
    }
    assert_eq!((failed, left), (Vec::new(), 0));
}

/// Calls that must not be repeated, while workers and the engine are killed.
#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_repeated_is_begun_at_most_once() {
    let mut cluster = Cluster::start().await;
    let dispatcher = dispatcher().await;
    let work = |number| {
        format!(
            r#"{{"tag": "o{number}", "milliseconds": {}}}"#,
            200 + 100 * number
        )
    };
    let calls = (0..20)
        .map(|number| call("work_once", &work(number)))
        .collect();
    let running = tokio::spawn(dispatcher.dispatch(calls));
    let mut kills = 0;
    while !running.is_finished() {
        tokio::time::sleep(Duration::from_millis(400)).await;
        kills += 1;
        match kills {
            3 => cluster.kill_engine(),
            1..=6 => cluster.kill_worker(kills),
            _ => {}
        }
    }
    let results = running.await.unwrap();
    for (number, code) in codes(&results).into_iter().enumerate() {
        let began = cluster.engine.count("began", &format!("o{number}"));
        assert!(began <= 1, "o{number} began {began} times");
        assert!(
            ["ok", "lost_indeterminate"].contains(&code),
            "o{number}: {code}"
        );
    }
}

/// HTTP/2 without TLS on both sides: each call is one request, to the worker with the fewest.
const HAPROXY: &str = "\
defaults
  mode http
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  option redispatch
  retries 3
frontend tools
  bind 127.0.0.1:9300 proto h2
  default_backend workers
backend workers
  balance leastconn
  server w1 127.0.0.1:9301 proto h2 check inter 300ms fall 1 rise 1
  server w2 127.0.0.1:9302 proto h2 check inter 300ms fall 1 rise 1
  server w3 127.0.0.1:9303 proto h2 check inter 300ms fall 1 rise 1
";
