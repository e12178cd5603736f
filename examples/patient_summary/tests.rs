//! The example end to end: the real tools, database, HTTP and agent, with a mock model.

use std::io::Write;

use std::process::{Command, Stdio};
use tool_openai::testing::ScriptedServer;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tool_core::{Dispatcher, ToolCall, ToolResult};

use super::*;

/// A dispatcher over a fresh SQLite file, which lives as long as the folder.
async fn hospital() -> (Dispatcher, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite://{}?mode=rwc",
        folder.path().join("patients.db").display()
    );
    (
        Dispatcher::new(patient_tools(
            PatientDb::open(&url, Latency::default()).await,
        )),
        folder,
    )
}

async fn call(dispatcher: &Dispatcher, tool: &str, arguments: Value) -> ToolResult {
    dispatcher
        .dispatch(vec![ToolCall::new("call_1", tool, arguments.to_string())])
        .await
        .remove(0)
}

fn json_of(result: &ToolResult) -> Value {
    serde_json::from_str(&result.content()).unwrap()
}

#[tokio::test]
async fn every_tool_answers_for_a_patient() {
    let (dispatcher, _folder) = hospital().await;
    let patient = || json!({"patient_id": "P-00123"});
    let demographics = json_of(&call(&dispatcher, "get_patient_demographics", patient()).await);
    assert_eq!(demographics["name"], "Jana Dvořák");
    let medications = json_of(&call(&dispatcher, "get_patient_medications", patient()).await);
    assert_eq!(
        medications["count"], 2,
        "the stopped prescription is left out: {medications}"
    );
    let allergies = json_of(&call(&dispatcher, "get_patient_allergies", patient()).await);
    assert_eq!(
        allergies["allergies"][1],
        json!({"allergen": "Iodinated contrast", "reaction": "hives", "severity": "severe"})
    );
    let labs = json_of(&call(&dispatcher, "get_recent_lab_results", patient()).await);
    assert_eq!(labs["lab_results"][0]["collected"], "2025-10-20");
}

#[tokio::test]
async fn lab_results_are_limited_to_five_unless_asked() {
    let (dispatcher, _folder) = hospital().await;
    for (limit, expected) in [(Value::Null, 5), (json!(3), 3), (json!(100), 40)] {
        let labs = json_of(
            &call(
                &dispatcher,
                "get_recent_lab_results",
                json!({"patient_id": "P-00125", "limit": limit}),
            )
            .await,
        );
        assert_eq!(labs["lab_results"].as_array().unwrap().len(), expected);
        assert_eq!(
            labs["lab_results"][0]["collected"], "2025-12-24",
            "the newest comes first"
        );
    }
    let refused = call(
        &dispatcher,
        "get_recent_lab_results",
        json!({"patient_id": "P-00125", "limit": 0}),
    )
    .await;
    assert_eq!(
        refused.content(),
        r#"{"error":"`limit`: must be at least 1, but is 0","tool":"get_recent_lab_results"}"#
    );
}

#[tokio::test]
async fn unusual_patient_data_is_kept_unchanged() {
    let (dispatcher, _folder) = hospital().await;
    let none = json_of(
        &call(
            &dispatcher,
            "get_patient_allergies",
            json!({"patient_id": "P-00124"}),
        )
        .await,
    );
    assert_eq!(none, json!({"patient_id": "P-00124", "allergies": []}));
    let quoted = json_of(
        &call(
            &dispatcher,
            "get_patient_demographics",
            json!({"patient_id": "P-00126"}),
        )
        .await,
    );
    assert_eq!(quoted["name"], "Siobhán \"Shiv\" O'Neill");
    let injected = call(
        &dispatcher,
        "get_patient_demographics",
        json!({"patient_id": "' OR '1'='1"}),
    )
    .await;
    assert_eq!(
        json_of(&injected)["error"],
        "there is no patient `' OR '1'='1`; ids look like P-00123",
        "arguments are values to the database, never SQL"
    );
}

#[tokio::test]
async fn an_unknown_patient_has_no_empty_lists() {
    let (dispatcher, _folder) = hospital().await;
    for definition in dispatcher.tools().definitions() {
        let result = call(
            &dispatcher,
            definition.name(),
            json!({"patient_id": "P-99999"}),
        )
        .await;
        assert_eq!(
            json_of(&result)["error"],
            "there is no patient `P-99999`; ids look like P-00123"
        );
    }
}

#[tokio::test]
async fn an_unreachable_database_is_reported_to_the_model() {
    let dispatcher = Dispatcher::new(patient_tools(
        PatientDb::open("postgres://app@127.0.0.1:1/none", Latency::default()).await,
    ));
    let server = ScriptedServer::start_with(scripted::respond).await.unwrap();
    let agent = Agent::new(server.client().unwrap(), "scripted")
        .with_tools(dispatcher)
        .conversation();
    let reply = agent.run("Summarise patient P-00123.").await.unwrap();
    assert_eq!(
        reply
            .text
            .matches("the patient database cannot be reached")
            .count(),
        4,
        "{reply}"
    );
}

#[tokio::test]
async fn the_run_asks_for_four_tools_in_one_message() {
    let (dispatcher, _folder) = hospital().await;
    let server = ScriptedServer::start_with(scripted::respond).await.unwrap();
    let agent = Agent::new(server.client().unwrap(), "scripted")
        .with_tools(dispatcher)
        .with_parallel_guidance()
        .conversation();
    let reply = agent
        .run("Generate a complete clinical summary for patient P-00123.")
        .await
        .unwrap();

    assert_eq!(reply.turns, 2);
    for part in [
        "Jana Dvořák (P-00123), born 1968-11-02",
        "Ramipril",
        "Amoxicillin",
        "HbA1c",
    ] {
        assert!(reply.text.contains(part), "{reply}");
    }
    let requests = server.requests();
    let roles: Vec<_> = requests[1]["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(
        roles,
        [
            "system",
            "user",
            "assistant",
            "tool",
            "tool",
            "tool",
            "tool"
        ]
    );
    for request in &requests {
        check_against_the_specification("request", request);
    }
    for request in &requests {
        check_against_the_specification("response", &raw_answer(&server, request).await);
    }
}

#[test]
fn the_sentence_about_speed_says_what_was_measured() {
    let speed_text = |together: u64, apart: u64| {
        let [together, apart] = [together, apart].map(Duration::from_millis);
        sentence(4, together, apart)
    };
    assert_eq!(
        speed_text(201, 702),
        "4 calls in one message took 201 ms; one after the other they take 702 ms: 3.5 times as long."
    );
    for apart in [0, 21, 29] {
        let text = speed_text(28, apart);
        assert!(!text.contains("times"), "{text}");
    }
}

/// The body of an answer, before any type of ours has read it.
async fn raw_answer(server: &ScriptedServer, request: &Value) -> Value {
    let address = server.base_url().replace("http://", "").replace("/v1", "");
    let body = request.to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.0\r\nAuthorization: Bearer key\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection
        .write_all((head + &body).as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Sends a body to a checker made from OpenAI's published specification. It is not part of this
/// repository: `ORACLE` says in which folder it is.
fn check_against_the_specification(kind: &str, body: &Value) {
    let Some(folder) = std::env::var_os("ORACLE").map(PathBuf::from) else {
        // Not `eprintln!`, which the test harness keeps to itself.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: ORACLE is not set, so the {kind} was not checked against the specification"
        );
        return;
    };
    let mut check = Command::new("python3")
        .arg(folder.join("openai_spec_check.py"))
        .args(["--werror", "--kind", kind, "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    check
        .stdin
        .take()
        .unwrap()
        .write_all(body.to_string().as_bytes())
        .unwrap();
    assert!(
        check.wait().unwrap().success(),
        "refused by the specification: {body}"
    );
}
