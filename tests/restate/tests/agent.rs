//! Runs of an agent, whose process is killed, and the engine's.
//!
//! `RESTATE_SERVER` names the engine's program.

use std::process::Command;
use std::time::Duration;

use restate_tests::engine::{ADMIN, Engine, INGRESS, registered};
use restate_tests::scenario::{Process, listens, until};
use tool_core::{Decision, ToolResult};
use tool_restate::{HeldCalls, RemoteAgent, RunError};

/// A worker with tools, and one with an agent.
struct Workers {
    _tools: Process,
    agent: Process,
}

impl Workers {
    async fn start(engine: &Engine) -> (Self, RemoteAgent) {
        let tools = engine.worker(env!("CARGO_BIN_EXE_worker"), 9080);
        registered("http://127.0.0.1:9080").await;
        let agent = start_agent(engine);
        registered("http://127.0.0.1:9081").await;
        let remote = RemoteAgent::connect(INGRESS, ADMIN, "clerk").await;
        (
            Self {
                _tools: tools,
                agent,
            },
            remote.unwrap(),
        )
    }

    fn kill_agent(&mut self, engine: &Engine) {
        self.agent.kill();
        self.agent = start_agent(engine);
    }
}

fn start_agent(engine: &Engine) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
    let arguments = ["127.0.0.1:9081", INGRESS, ADMIN];
    let agent = Process::start(command.args(arguments).env("LOG", engine.log()));
    until("the agent starts", || listens("127.0.0.1:9081"));
    agent
}

async fn held(agent: &RemoteAgent, id: &str) -> HeldCalls {
    for _ in 0..600 {
        if let Some(held) = agent.held(id).await.unwrap() {
            return held;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the run holds no call");
}

const WORKED: &str =
    r#"a0 | a1 | {"error":"no such patient","tool":"fails"} | a2 | a3 | b0 | b1 | b2 | b3"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_asks_and_calls_once_and_is_joined() {
    let engine = Engine::start();
    let (_workers, agent) = Workers::start(&engine).await;
    let (first, second) =
        tokio::join!(agent.run("case/1 é", "work"), agent.run("case/1 é", "work"));
    let first = first.unwrap();
    assert_eq!(first.reply.text, WORKED);
    assert_eq!((first.reply.turns, first.reply.usage.total_tokens), (3, 30));
    assert_eq!(first.history.messages.len(), 13);
    assert_eq!(second.unwrap().reply.text, WORKED);
    assert_eq!(
        agent.run("case/1 é", "else").await.unwrap().reply.text,
        WORKED
    );
    for (what, tag) in [
        ("asked", "work 0"),
        ("asked", "work 5"),
        ("asked", "work 9"),
        ("began", "a0"),
        ("began", "b3"),
    ] {
        assert_eq!(engine.count(what, tag), 1, "{what} {tag}");
    }

    let long = "ж".repeat(200); // 400 bytes, and three times as many in a key
    assert_eq!(agent.run(&long, "work").await.unwrap().reply.text, WORKED);

    // The next prompt of the same conversation.
    let next = agent
        .run_from("case/1 é, 2", first.history, "thanks")
        .await
        .unwrap();
    assert_eq!(next.history.messages.len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_survives_its_process_the_engine_and_the_caller() {
    let mut engine = Engine::start();
    let (mut workers, agent) = Workers::start(&engine).await;
    let first = tokio::spawn({
        let agent = agent.clone();
        async move { agent.run("case", "work").await }
    });
    until("a call has begun", || engine.count("began", "a0") == 1);
    first.abort();
    let running = tokio::spawn({
        let agent = agent.clone();
        async move { agent.run("case", "work").await }
    });
    let mut kills = 0;
    while !running.is_finished() && kills < 12 {
        tokio::time::sleep(Duration::from_millis(150 + 100 * kills)).await;
        workers.kill_agent(&engine);
        kills += 1;
        if kills == 3 {
            engine.kill_and_restart();
        }
    }
    let reply = running.await.unwrap().unwrap().reply;
    assert_eq!(reply.text, WORKED);
    println!("{kills} agents killed");
    let tags = ["a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3"];
    for tag in tags {
        // Again only by the engine that died with it.
        assert!((1..=2).contains(&engine.count("ended", tag)), "{tag}");
    }
    let asked = |results: usize| engine.count("asked", &format!("work {results}"));
    assert_eq!(
        asked(0),
        1,
        "the answer that was there is not asked for again"
    );
    assert!(asked(5) + asked(9) <= 2 + kills as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn held_calls_survive_the_death_of_any_process() {
    let mut engine = Engine::start();
    let (mut workers, agent) = Workers::start(&engine).await;
    assert!(agent.held("case").await.unwrap().is_none());
    let running = tokio::spawn({
        let agent = agent.clone();
        async move { agent.run("case", "approve").await }
    });
    let calls = held(&agent, "case").await;
    let positions: Vec<usize> = calls.held().map(ToolResult::position).collect();
    assert_eq!(positions, [1, 2]);
    assert_eq!(calls.results[0].content(), "read");
    let stored = serde_json::to_string(&calls).unwrap();

    workers.kill_agent(&engine);
    engine.kill_and_restart();
    workers.kill_agent(&engine);
    let calls: HeldCalls = serde_json::from_str(&stored).unwrap();
    let answered = agent.decide(&calls, vec![(0, Decision::Allow)]).await;
    assert!(matches!(answered, Err(RunError::NoSuchCall(0))));
    agent
        .decide(&calls, vec![(2, Decision::deny("not today"))])
        .await
        .unwrap();
    let left = loop {
        let left = held(&agent, "case").await;
        if left.held().count() == 1 {
            break left;
        }
    };
    // What was decided on is decided on.
    _ = agent
        .decide(&calls, vec![(1, Decision::deny("too late"))])
        .await;
    agent
        .decide(&left, vec![(1, Decision::Allow)])
        .await
        .unwrap();
    let reply = running.await.unwrap().unwrap().reply;
    assert_eq!(
        reply.text,
        r#"read | first | {"error":"not allowed: not today","tool":"work_once"}"#
    );
    assert_eq!(
        (
            engine.count("began", "first"),
            engine.count("began", "second")
        ),
        (1, 0)
    );
    assert_eq!(engine.count("began", "read"), 1);
    assert!(agent.held("case").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_stops_its_calls() {
    let engine = Engine::start();
    let (_workers, agent) = Workers::start(&engine).await;
    let running = tokio::spawn({
        let agent = agent.clone();
        async move { agent.run("case", "wait").await }
    });
    until("the call has begun", || engine.count("began", "long") == 1);
    assert!(agent.stop("case").await.unwrap());
    assert!(matches!(running.await.unwrap(), Err(RunError::Stopped)));
    until("the tool is dropped", || {
        engine.count("dropped", "long") == 1
    });
    assert!(matches!(
        agent.run("case", "wait").await,
        Err(RunError::Stopped)
    ));
    assert!(!agent.stop("case").await.unwrap());

    let waiting = tokio::spawn({
        let agent = agent.clone();
        async move { agent.run("held", "approve").await }
    });
    held(&agent, "held").await;
    assert!(agent.stop("held").await.unwrap());
    assert!(matches!(waiting.await.unwrap(), Err(RunError::Stopped)));
    assert!(agent.held("held").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_reported() {
    let mut engine = Engine::start();
    let (_workers, agent) = Workers::start(&engine).await;
    let refused = agent.run("1", "refuse").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the agent failed: turn 1 failed: the service answered 400: too hot"
    );
    assert!(matches!(refused, RunError::Failed { history, .. } if history.messages.len() == 1));
    let panicked = agent.run("2", "panic").await.unwrap_err().to_string();
    assert_eq!(
        panicked,
        "the engine refused (HTTP 500): the agent panicked"
    );
    let long = agent
        .run(&"i".repeat(520), "work")
        .await
        .unwrap_err()
        .to_string();
    assert!(long.contains("a run id of"), "{long}");
    let unknown = RemoteAgent::connect(INGRESS, ADMIN, "cook")
        .await
        .unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "the engine knows no agent `cook`; register the worker that has it"
    );
    engine.kill();
    assert!(matches!(
        agent.held("1").await,
        Err(RunError::Unreachable(_))
    ));
}
