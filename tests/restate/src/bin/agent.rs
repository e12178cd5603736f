//! A worker with an agent, of its own process: `agent ADDRESS INGRESS ADMIN`. Its model is a script that
//! depends on the prompt.

use std::time::Duration;

use serde_json::{Value, json};
use tool_core::{Decision, Dispatcher, ToolSet};
use tool_openai::chat::{Message, Request};
use tool_openai::{Agent, ChatModel, ModelError, ModelFuture};
use tool_restate::{Remote, Worker};

/// Writes down that it is asked, thinks for a while, and answers by what it has read.
struct Script;

impl ChatModel for Script {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        Box::pin(async {
            let prompt = request.messages.iter().find_map(|message| match message {
                Message::User(text) => text.content.as_str(),
                _ => None,
            });
            let prompt = prompt.unwrap_or_default();
            let results: Vec<&str> = request.messages.iter().filter_map(result).collect();
            restate_tests::log("asked", &format!("{prompt} {}", results.len()));
            tokio::time::sleep(Duration::from_millis(250)).await;
            let message = match (prompt, results.len()) {
                ("work", 0) => calls(&["a0", "a1", "fails", "a2", "a3"], 500),
                ("work", 5) => calls(&["b0", "b1", "b2", "b3"], 500),
                ("approve", 0) => calls(&["read", "once first", "once second"], 100),
                ("wait", 0) => calls(&["long"], 60_000),
                ("refuse", _) => {
                    return Err(ModelError::Status {
                        status: 400,
                        code: None,
                        message: "too hot".to_owned(),
                        request_id: None,
                    });
                }
                ("panic", _) => panic!("a secret of the agent"),
                _ => json!({"content": results.join(" | ")}),
            };
            let completion =
                json!({"choices": [{"message": message}], "usage": {"total_tokens": 10}});
            serde_json::from_value(completion).map_err(|error| ModelError::Other(error.into()))
        })
    }
}

fn result(message: &Message) -> Option<&str> {
    match message {
        Message::Tool(result) => result.content.as_str(),
        _ => None,
    }
}

/// A message with a call for each tag.
fn calls(tags: &[&str], milliseconds: u64) -> Value {
    let call = |(number, tag): (usize, &&str)| {
        let (name, tag) = match tag.split_once(' ') {
            Some(("once", tag)) => ("work_once", tag),
            _ if *tag == "fails" => ("fails", *tag),
            _ => ("work_again", *tag),
        };
        let arguments = match name {
            "fails" => json!({"tag": tag}),
            _ => json!({"tag": tag, "milliseconds": milliseconds}),
        };
        json!({"id": format!("call_{number}"), "type": "function", "function": {"name": name, "arguments": arguments.to_string()}})
    };
    json!({"tool_calls": tags.iter().enumerate().map(call).collect::<Vec<_>>()})
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, ingress, admin] = &arguments[..] else {
        return Err("usage: agent ADDRESS INGRESS ADMIN".into());
    };
    let tools = Remote::connect(ingress, admin).await?.tools();
    let dispatcher = Dispatcher::new(tools).with_policy(|call| match &*call.call().name {
        "work_once" => Decision::Hold,
        _ => Decision::Allow,
    });
    let agent = Agent::new(Script, "script").with_tools(dispatcher);
    let worker = Worker::new(ToolSet::default()).with_agent("clerk", agent);
    Ok(worker.listen(address).await?)
}
