//! A tool behind an MCP connection answers as it does without one.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use tokio::runtime::Builder;
use tool_core::{Dispatcher, ToolCall, ToolResult};
use tool_mcp::{Server, Transport, connect};

use crate::draw::near;
use crate::tools::{judge, shapes};

/// Texts for each tool.
const TEXTS: usize = 40;

#[test]
fn every_shape_is_called_alike_over_mcp() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (mut alike, mut stricter) = (0, 0);
    runtime.block_on(async {
        let direct = Dispatcher::new(shapes());
        let server = Server::new(direct.clone());
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move {
            let (reader, writer) = tokio::io::split(theirs);
            server.serve(reader, writer).await
        });
        let (reader, writer) = tokio::io::split(ours);
        let client = connect(Transport::io(reader, writer)).await.unwrap();
        assert_eq!(client.left_out(), []);
        let remote = Dispatcher::new(client.tools());

        let mut random = TestRunner::new_with_rng(
            Config::default(),
            TestRng::deterministic_rng(RngAlgorithm::ChaCha),
        );
        for definition in direct.tools().definitions() {
            let (texts, judge) = (
                near(definition.parameters()),
                judge(definition.parameters()),
            );
            let texts: Vec<String> = (0..TEXTS)
                .map(|_| texts.new_tree(&mut random).unwrap().current())
                .collect();
            let calls: Vec<_> = texts
                .iter()
                .map(|text| ToolCall::new("", definition.name(), text))
                .collect();
            let here = direct.dispatch(calls.clone()).await;
            let there = remote.dispatch(calls).await;
            for (here, there) in here.iter().zip(&there) {
                let arguments = &here.call().arguments;
                if is_beyond_64_bits(arguments) {
                    continue;
                }
                let value: Value = serde_json::from_str(arguments).unwrap();
                match (code(here), code(there)) {
                    ("ok", "ok") => assert_eq!(here.content(), there.content(), "{arguments}"),
                    // Only the schema is known there.
                    ("ok", "invalid_arguments") if !judge.is_valid(&value) => stricter += 1,
                    (here, there) => {
                        assert_eq!(here, there, "{}: {arguments}", definition.description());
                    }
                }
                alike += 1;
            }
        }
    });
    assert!(alike > 10 * stricter, "{alike} alike, {stricter} stricter");
}

/// Whether a number loses digits where JSON is read into memory.
fn is_beyond_64_bits(text: &str) -> bool {
    text.split(|character: char| !character.is_ascii_digit())
        .any(|digits| digits.len() > 18)
}

fn code(result: &ToolResult) -> &'static str {
    match result.outcome() {
        Ok(_) => "ok",
        Err(error) => error.code().as_str(),
    }
}
