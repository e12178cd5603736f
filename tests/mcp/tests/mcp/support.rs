//! Connections of both ends in one process, servers in processes of their own, and a client that
//! speaks the protocol by hand.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio::sync::Notify;
use tool_core::{ToolCall, ToolResult, tool};
use tool_mcp::{Client, Server, Transport, connect};

/// Bytes that a connection in memory holds.
const BUFFER: usize = 1 << 16;

/// The server, connected to a client of ours.
pub(crate) async fn connected<S: Send + Sync + 'static>(server: &Server<S>) -> Client {
    connect(in_memory(server)).await.unwrap()
}

/// A connection to the server.
pub(crate) fn in_memory<S: Send + Sync + 'static>(server: &Server<S>) -> Transport {
    let (reader, writer) = tokio::io::split(served(server));
    Transport::io(reader, writer)
}

/// The client's end of a connection to the server.
pub(crate) fn served<S: Send + Sync + 'static>(server: &Server<S>) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(BUFFER);
    let (reader, writer) = tokio::io::split(theirs);
    let server = server.clone();
    tokio::spawn(async move { server.serve(reader, writer).await });
    ours
}

/// A client by hand, of the revision 2025-11-25.
pub(crate) struct ByHand {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
}

impl ByHand {
    /// A client that can do what `capabilities` says, after the handshake.
    pub(crate) async fn new<S: Send + Sync + 'static>(
        server: &Server<S>,
        capabilities: Value,
    ) -> Self {
        let (reader, writer) = tokio::io::split(served(server));
        let lines = BufReader::new(reader).lines();
        let mut client = Self { lines, writer };
        let handshake = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities,
            "clientInfo": {"name": "by hand", "version": "0"},
        });
        client.request(0, "initialize", handshake).await;
        client
            .send(json!({"method": "notifications/initialized"}))
            .await;
        client
    }

    pub(crate) async fn send(&mut self, mut message: Value) {
        message["jsonrpc"] = "2.0".into();
        self.send_line(&message.to_string()).await;
    }

    pub(crate) async fn send_line(&mut self, line: &str) {
        self.writer.write_all(line.as_bytes()).await.unwrap();
        self.writer.write_all(b"\n").await.unwrap();
    }

    pub(crate) async fn start(&mut self, id: u64, method: &str, params: Value) {
        self.send(json!({"id": id, "method": method, "params": params}))
            .await;
    }

    /// Sends a request, and returns the next message.
    pub(crate) async fn request(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.start(id, method, params).await;
        self.receive().await
    }

    pub(crate) async fn call(&mut self, id: u64, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        self.request(id, "tools/call", params).await
    }

    /// The next message.
    pub(crate) async fn receive(&mut self) -> Value {
        let line = self.lines.next_line().await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

/// What happens to the calls of [`watched`].
#[derive(Default)]
pub(crate) struct Events {
    pub(crate) started: Notify,
    pub(crate) dropped: Notify,
}

struct OnDrop<'a>(&'a Notify);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Never return.
#[tool]
pub(crate) async fn watched(#[state] events: &Arc<Events>) -> String {
    let _dropped = OnDrop(&events.dropped);
    events.started.notify_one();
    std::future::pending().await
}

/// The server in a process of its own, over stdio.
pub(crate) fn fixture() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
    command.arg("stdio");
    command
}

/// The same, which writes its process id to a file first, and leaves a process of its own behind
/// that keeps stdout open.
pub(crate) fn fixture_with_pid(file: &Path) -> Command {
    shell(&format!(
        "sleep 60 </dev/null 2>/dev/null & echo $$ > '{}'; exec \"$FIXTURE\" stdio",
        file.display()
    ))
}

/// A command of the shell's; `$FIXTURE` is the server.
pub(crate) fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .env("FIXTURE", env!("CARGO_BIN_EXE_fixture"));
    command
}

/// A server in a process of its own, over HTTP; killed when it is dropped.
pub(crate) struct HttpFixture {
    child: std::process::Child,
    pub(crate) address: String,
}

impl HttpFixture {
    pub(crate) fn start(address: &str) -> Self {
        use std::io::{BufRead, BufReader};
        let mut command = Command::new(env!("CARGO_BIN_EXE_fixture"));
        let mut child = command
            .args(["http", address])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.next().unwrap().unwrap();
        Self { child, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Ends it as nothing else does: at once, without notice to anyone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for HttpFixture {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Kills a process that wrote its id to a file.
pub(crate) fn kill(file: &Path) {
    let pid = std::fs::read_to_string(file).unwrap();
    let killed = Command::new("kill")
        .args(["-9", pid.trim()])
        .status()
        .unwrap();
    assert!(killed.success());
}

/// Calls with the ids `call_0`, `call_1` and so on.
pub(crate) fn calls<const N: usize>(calls: [(&str, &str); N]) -> Vec<ToolCall> {
    let call = |(position, (name, arguments)): (usize, (&str, &str))| {
        ToolCall::new(format!("call_{position}"), name, arguments)
    };
    calls.into_iter().enumerate().map(call).collect()
}

/// `ok`, or the code of the error, of each result in order.
pub(crate) fn codes(results: &[ToolResult]) -> Vec<&'static str> {
    let code = |result: &ToolResult| match result.outcome() {
        Ok(_) => "ok",
        Err(error) => error.code().as_str(),
    };
    results.iter().map(code).collect()
}

/// What the model reads, in order.
pub(crate) fn contents(results: &[ToolResult]) -> Vec<String> {
    let content = |result: &ToolResult| result.content().into_owned();
    results.iter().map(content).collect()
}

/// Waits for what another process does.
pub(crate) async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come to be");
}
