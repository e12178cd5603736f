//! Our client and our agent, answered by aimock.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tool_core::Dispatcher;
use tool_openai::chat::Message;
use tool_openai::{Agent, AgentError, AgentEvent, Conversation, ModelError, OpenAi, StartPolicy};

use crate::{script, tool_at, toolset};

/// aimock, until dropped.
struct Mock {
    process: Child,
    url: String,
}

impl Mock {
    fn start() -> Option<Self> {
        let package = tool_at("INTEROP_AIMOCK")?;
        let mut command = Command::new("node");
        let mut process = command
            .arg(script("aimock.mjs"))
            .arg(package)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        Some(Self {
            process,
            url: url.trim().to_owned(),
        })
    }

    fn client(&self) -> OpenAi {
        OpenAi::at(&format!("{}/v1", self.url))
            .unwrap()
            .with_retries(1)
    }

    fn agent(&self, policy: StartPolicy) -> Agent {
        Agent::new(self.client(), "gpt-4o")
            .with_tools(Dispatcher::new(toolset()))
            .with_start_policy(policy)
    }

    /// The same over the Responses API.
    fn responses(&self, policy: StartPolicy) -> Agent {
        Agent::new(self.client().into_responses(), "gpt-4o")
            .with_tools(Dispatcher::new(toolset()))
            .with_start_policy(policy)
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What each call was answered, in order.
fn answers(conversation: &Conversation) -> Vec<String> {
    let tool = |message: &Message| {
        if let Message::Tool(message) = message {
            Some(message.text())
        } else {
            None
        }
    };
    conversation.messages().iter().filter_map(tool).collect()
}

#[tokio::test]
async fn calls_are_run_however_they_arrive() {
    let Some(mock) = Mock::start() else { return };
    let three = ["3", "70", "1100"].as_slice();
    let malformed = [
        r#"{"error":"the arguments are not valid JSON: EOF while parsing a value at line 1 column 9","tool":"add"}"#,
        "3",
    ];
    let unknown = [
        r#"{"error":"there is no tool `subtract`; the tools are `add`","tool":"subtract"}"#,
        "3",
    ];
    for (prompt, expected, reply) in [
        ("parallel", three, "Three sums."),
        ("in small pieces", three, "Three sums."),
        ("says stop", three, "Three sums."),
        ("talks first", three, "Three sums."),
        ("calls first", &["3"], "One sum."),
        ("malformed", &malformed, "I am sorry."),
        ("unknown", &unknown, "I am sorry."),
    ] {
        for (policy, is_chat) in [StartPolicy::StreamEnd, StartPolicy::CallEnd]
            .into_iter()
            .flat_map(|policy| [(policy, true), (policy, false)])
        {
            let agent = || {
                if is_chat {
                    mock.agent(policy)
                } else {
                    mock.responses(policy)
                }
            };
            let whole = agent().conversation(); // streamed too, if calls may start early
            assert_eq!(whole.run(prompt).await.unwrap().text, reply, "{prompt}");
            assert_eq!(answers(&whole), expected, "{prompt}");

            let streamed = agent().conversation();
            let (mut events, mut calls) = (streamed.stream(prompt), 0);
            while let Some(event) = events.next().await {
                match event.unwrap() {
                    AgentEvent::ToolCallStarted { position, .. } => {
                        assert_eq!(position, calls);
                        calls += 1;
                    }
                    AgentEvent::Reply(answer) => assert_eq!(answer.text, reply, "{prompt}"),
                    _ => {}
                }
            }
            drop(events);
            assert_eq!(answers(&streamed), expected, "{prompt}");
            assert_eq!(calls, expected.len(), "{prompt}");
        }
    }
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_as_long_as_it_asks() {
    let Some(mock) = Mock::start() else { return };
    let start = Instant::now();
    assert_eq!(
        mock.agent(StartPolicy::CallEnd)
            .run("is limited")
            .await
            .unwrap()
            .text,
        "Hello."
    );
    assert!(
        (1.0..1.4).contains(&start.elapsed().as_secs_f64()),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn errors_are_reported_and_the_history_is_unchanged() {
    let Some(mock) = Mock::start() else { return };
    for (prompt, policy, is_so) in [
        (
            "is cut",
            StartPolicy::CallEnd,
            (|error| {
                matches!(
                    error,
                    ModelError::Transport { .. } | ModelError::Interrupted { .. }
                )
            }) as fn(&ModelError) -> bool,
        ),
        ("is garbled", StartPolicy::CallEnd, |error| {
            matches!(error, ModelError::InvalidResponse { .. })
        }),
        ("is garbled", StartPolicy::StreamEnd, |error| {
            matches!(error, ModelError::InvalidResponse { .. })
        }),
        ("is dropped", StartPolicy::StreamEnd, |error| {
            matches!(error, ModelError::Transport { .. })
        }),
        ("is refused", StartPolicy::CallEnd, |error| {
            matches!(error, ModelError::UnknownModel { .. })
        }),
    ] {
        let agent = mock.agent(policy).conversation();
        let error = agent.run(prompt).await.unwrap_err();
        let AgentError::Model { source, .. } = &error else {
            panic!("{prompt}: {error:?}")
        };
        assert!(is_so(source), "{prompt}: {source:?}");
    }
}

#[tokio::test]
async fn reasoning_is_kept() {
    let Some(mock) = Mock::start() else { return };
    let agent = mock.agent(StartPolicy::CallEnd).conversation();
    assert_eq!(agent.run("thinks").await.unwrap().text, "Hello.");
    let messages = agent.messages();
    let Some(Message::Assistant(message)) = messages.last() else {
        panic!("{messages:?}")
    };
    assert!(
        message.extra.contains_key("reasoning_content"),
        "{message:?}"
    );
}
