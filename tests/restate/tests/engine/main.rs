//! Workers, callers and the engine, each in a process of its own, and each killed.
//!
//! `RESTATE_SERVER` names the engine's program, `HAPROXY` what balances workers.

mod killed;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use restate_tests::engine::{ADMIN, Engine, INGRESS, program, registered};
use restate_tests::scenario::{self, Adapter, Process, listens, until};
use tool_core::{Dispatcher, ToolCall, ToolResult};
use tool_restate::{Remote, Worker, register};

const WORKER: &str = env!("CARGO_BIN_EXE_worker");

async fn dispatcher() -> Dispatcher {
    Dispatcher::new(Remote::connect(INGRESS, ADMIN).await.unwrap().tools()).with_limits(|limits| {
        limits.argument_bytes = 64 << 20;
    })
}

fn call(tool: &str, arguments: &str) -> ToolCall {
    ToolCall::new("call", tool, arguments)
}

fn codes(results: &[ToolResult]) -> Vec<&'static str> {
    let code = |result: &ToolResult| match result.outcome() {
        Ok(_) => "ok",
        Err(error) => error.code().as_str(),
    };
    results.iter().map(code).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_tools_answer_as_their_worker_does() {
    let engine = Engine::start();
    let _worker = engine.worker(WORKER, 9080);
    registered("http://127.0.0.1:9080").await;
    let dispatcher = dispatcher().await;

    let definitions: Vec<_> = dispatcher.tools().definitions().collect();
    assert_eq!(definitions.len(), 7);
    assert!(definitions.is_sorted_by_key(|definition| definition.name()));
    let there = dispatcher.tools().definition("work_again").unwrap();
    let here = restate_tests::all();
    let here = here.definition("work_again").unwrap();
    assert_eq!(there.parameters(), here.parameters());
    assert_eq!(
        (there.description(), there.title()),
        (here.description(), Some("Work"))
    );
    assert!(there.behavior().remote && there.behavior().is_repeatable());

    let calls = vec![
        call("work_again", r#"{"tag": "a", "milliseconds": 50}"#),
        call("fails", r#"{"tag": "b"}"#),
        call("panics", "{}"),
        call("work_once", r#"{"tag": "c"}"#),
        call("nothing", "{}"),
        call("work_once", r#"{"tag": "d", "milliseconds": 1}"#),
        call("key", "{}"),
    ];
    let results = dispatcher
        .dispatch_as("run 1", calls.clone())
        .unwrap()
        .await;
    assert_eq!(
        codes(&results),
        [
            "ok",
            "tool_error",
            "panic",
            "invalid_arguments",
            "unknown_tool",
            "ok",
            "ok"
        ]
    );
    assert_eq!(
        results[1].content(),
        r#"{"error":"no such patient","tool":"fails"}"#
    );
    assert!(!results[2].content().contains("secret"));
    assert!(
        results[3].content().contains("`milliseconds`"),
        "{}",
        results[3].content()
    );

    // Another caller with the same run id gets what is done.
    let again = dispatcher.dispatch_as("run 1", calls).unwrap().await;
    for (first, second) in results.iter().zip(&again) {
        assert_eq!(first.content(), second.content());
    }
    assert_eq!(engine.count("began", "a"), 1);
    assert_eq!(engine.count("began", "d"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_past_its_deadline_is_killed_in_the_engine() {
    let engine = Engine::start();
    let _worker = engine.worker(WORKER, 9080);
    registered("http://127.0.0.1:9080").await;
    let dispatcher = dispatcher().await;
    // A new engine may accept its first call later than the deadline, and this one has to begin.
    let first = dispatcher.dispatch(vec![call("key", "{}")]).await;
    assert_eq!(codes(&first), ["ok"]);
    let dispatcher = dispatcher.with_timeout(Duration::from_secs(3));
    let calls = vec![call(
        "work_once",
        r#"{"tag": "long", "milliseconds": 60000}"#,
    )];
    assert_eq!(
        codes(&dispatcher.dispatch(calls).await),
        ["timeout_indeterminate"]
    );
    until("the tool is dropped", || {
        engine.count("dropped", "long") == 1
    });
    assert_eq!(engine.count("began", "long"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_s_call_is_begun_again_only_if_it_may_be() {
    let engine = Engine::start();
    let mut worker = engine.worker(WORKER, 9080);
    registered("http://127.0.0.1:9080").await;
    let dispatcher = dispatcher().await;
    let running = tokio::spawn(dispatcher.dispatch(vec![
        call("work_again", r#"{"tag": "again", "milliseconds": 1500}"#),
        call("work_once", r#"{"tag": "once", "milliseconds": 1500}"#),
    ]));
    until("both have begun", || {
        engine.count("began", "again") + engine.count("began", "once") == 2
    });
    worker.kill();
    let _worker = engine.worker(WORKER, 9080);
    let results = running.await.unwrap();
    assert_eq!(codes(&results), ["ok", "lost_indeterminate"]);
    let log = fs::read_to_string(engine.log()).unwrap();
    let keys: Vec<_> = log
        .lines()
        .filter(|line| line.starts_with("key "))
        .collect();
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
    assert_eq!(
        (
            engine.count("began", "again"),
            engine.count("began", "once")
        ),
        (2, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_engine_have_an_accurate_code() {
    Remote::connect(INGRESS, "http://127.0.0.1:9")
        .await
        .unwrap_err();
    let mut engine = Engine::start();
    register(ADMIN, "http://127.0.0.1:9").await.unwrap_err(); // no worker is there
    let worker = engine.worker(WORKER, 9080);
    registered("http://127.0.0.1:9080").await;
    let dispatcher = dispatcher().await;

    // 31 MiB of arguments pass, 40 MiB do not.
    let text = |mebibytes: usize| format!(r#"{{"text": "{}"}}"#, "x".repeat(mebibytes << 20));
    let results = dispatcher
        .dispatch(vec![call("length", &text(31)), call("length", &text(40))])
        .await;
    assert_eq!(codes(&results), ["ok", "too_large"]);
    assert_eq!(results[0].content(), (31 << 20).to_string());

    // An engine that is away before anything was sent.
    drop(worker);
    engine.kill();
    let gone = dispatcher.dispatch(vec![call("key", "{}")]).await;
    assert_eq!(codes(&gone), ["not_started"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_reads_slowly_delays_no_other() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let engine = Engine::start();
    let _worker = engine.worker(WORKER, 9080);
    registered("http://127.0.0.1:9080").await;
    let dispatcher = dispatcher().await;
    let key = async || codes(&dispatcher.dispatch(vec![call("key", "{}")]).await)[0];
    assert_eq!(key().await, "ok");

    let mut slow = tokio::net::TcpStream::connect("127.0.0.1:8080")
        .await
        .unwrap();
    let request = "POST /tool.long/call HTTP/1.1\r\nhost: engine\r\nconnection: close\r\n\
        content-type: application/json\r\ncontent-length: 16\r\n\r\n{\"mebibytes\": 8}";
    slow.write_all(request.as_bytes()).await.unwrap();
    let (mut read, mut chunk) = (0, vec![0; 1 << 20]);
    loop {
        let bytes = slow.read(&mut chunk).await.unwrap();
        if bytes == 0 {
            break;
        }
        read += bytes;
        // It takes its time, and others are answered.
        assert_eq!(key().await, "ok");
    }
    assert!(read > 8 << 20, "{read} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_stopped_by_someone_else_may_have_acted() {
    let engine = Engine::start();
    let _worker = engine.worker(WORKER, 9080);
    registered("http://127.0.0.1:9080").await;
    let (patient, hasty) = (dispatcher().await, dispatcher().await);
    let hasty = hasty.with_timeout(Duration::from_secs(1));
    let calls = || {
        vec![call(
            "work_once",
            r#"{"tag": "shared", "milliseconds": 60000}"#,
        )]
    };
    let joined = tokio::spawn(patient.dispatch_as("shared", calls()).unwrap());
    until("it has begun", || engine.count("began", "shared") == 1);
    let stopped = hasty.dispatch_as("shared", calls()).unwrap().await;
    assert_eq!(codes(&stopped), ["timeout_indeterminate"]);
    assert_eq!(codes(&joined.await.unwrap()), ["lost_indeterminate"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_replaced_during_a_call_reports_the_call_as_lost() {
    use tool_core::{DynamicTool, ToolSet};
    let _engine = Engine::start();
    let schema = serde_json::json!({"type": "object", "properties": {}});
    let serve = |description: &str| {
        let wait = |_| std::future::pending::<Result<String, String>>();
        let tool = DynamicTool::new("waits", description, schema.clone(), wait).unwrap();
        let worker = Worker::new(Dispatcher::new(ToolSet::from_tools([tool]).unwrap()));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.spawn(worker.listen("127.0.0.1:9080"));
        until("the worker starts", || listens("127.0.0.1:9080"));
        runtime
    };
    let first = serve("Wait.");
    registered("http://127.0.0.1:9080").await;
    let running = tokio::spawn(dispatcher().await.dispatch(vec![call("waits", "{}")]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.shutdown_background();
    until("the first worker ends", || !listens("127.0.0.1:9080"));
    let second = serve("Wait for long.");
    let code = codes(&running.await.unwrap())[0];
    // Nothing had begun, or it is not known.
    assert!(
        ["lost_indeterminate", "not_started"].contains(&code),
        "{code}"
    );
    second.shutdown_background();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_answers_what_it_runs() {
    let engine = Engine::start();
    let mut worker = engine.worker(WORKER, 9080);
    registered("http://127.0.0.1:9080").await;
    let dispatcher = dispatcher().await.with_timeout(Duration::from_secs(20));
    let work = r#"{"tag": "last", "milliseconds": 700}"#;
    let running = tokio::spawn(dispatcher.dispatch(vec![call("work_once", work)]));
    until("the call has begun", || engine.count("began", "last") == 1);
    worker.stop();
    assert_eq!(
        engine.count("ended", "last"),
        1,
        "it stops when that has ended"
    );
    assert_eq!(codes(&running.await.unwrap()), ["ok"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_shuts_down_gracefully_keeps_accepted_calls() {
    let mut engine = Engine::start();
    let _worker = engine.worker(WORKER, 9080);
    registered("http://127.0.0.1:9080").await;
    let running = tokio::spawn(dispatcher().await.dispatch(vec![
        call("work_again", r#"{"tag": "again", "milliseconds": 700}"#),
        call("work_once", r#"{"tag": "once", "milliseconds": 700}"#),
    ]));
    until("both have begun", || {
        engine.count("began", "again") + engine.count("began", "once") == 2
    });
    engine.stop_and_restart();
    let codes = codes(&running.await.unwrap());
    assert_eq!(codes[0], "ok");
    assert!(
        ["ok", "lost_indeterminate"].contains(&codes[1]),
        "{codes:?}"
    );
    assert_eq!(engine.count("began", "once"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_definition_is_not_called() {
    use tool_core::{DynamicTool, ToolSet};
    let engine = Engine::start();
    let schema = serde_json::json!({"type": "object", "properties": {}});
    let of = |description: &str| {
        let tool = DynamicTool::new("now", description, schema.clone(), |_| async {
            Ok::<_, String>("noon")
        });
        ToolSet::from_tools([tool.unwrap()]).unwrap()
    };
    let serve = async |description: &str| {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(Worker::new(Dispatcher::new(of(description))).serve(listener));
        registered(&address).await;
    };
    serve("Get the time.").await;
    let before = dispatcher().await;
    assert_eq!(
        codes(&before.dispatch(vec![call("now", "{}")]).await),
        ["ok"]
    );
    serve("Get the time of another clock.").await;
    assert_eq!(
        codes(&before.dispatch(vec![call("now", "{}")]).await),
        ["not_started"]
    );
    assert_eq!(
        codes(&dispatcher().await.dispatch(vec![call("now", "{}")]).await),
        ["ok"]
    );
    drop(engine);
}

#[tokio::test]
async fn a_server_that_is_not_an_engine_is_reported() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut stream, _)) = listener.accept().await {
            _ = stream.read(&mut [0; 4096]).await;
            let answer =
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}";
            _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let error = Remote::connect(INGRESS, &address)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("is not Restate's admin API"), "{error}");
}

#[test]
fn a_tool_without_a_service_s_name_is_an_error_at_start_up() {
    use tool_core::{DynamicTool, ToolSet};
    let schema = serde_json::json!({"type": "object", "properties": {}});
    let tool = DynamicTool::new("say hello/now", "", schema, |_| async {
        Ok::<_, String>("")
    });
    let set = ToolSet::from_tools([tool.unwrap()]).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listening = Worker::new(Dispatcher::new(set)).listen("127.0.0.1:0");
    let error = runtime.block_on(listening).unwrap_err().to_string();
    assert!(
        error.contains("say hello/now` cannot be a service"),
        "{error}"
    );
}
