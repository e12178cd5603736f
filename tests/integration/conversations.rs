//! One agent, many conversations: shared, one run at a time each, stored and read back, shortened.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tool_core::{Content, Image};
use tool_openai::chat::Message;
use tool_openai::testing::{ScriptedReply, ScriptedServer};
use tool_openai::{Agent, AgentError, AgentEvent, AgentStream, Conversation, History};

async fn agent(replies: &[&str]) -> (Agent, ScriptedServer) {
    let replies = replies.iter().copied().map(ScriptedReply::text);
    let server = ScriptedServer::start(replies).await.unwrap();
    (Agent::new(server.client().unwrap(), "scripted"), server)
}

fn texts(conversation: &Conversation) -> Vec<String> {
    let text = |message: &Message| match message {
        Message::User(message) => message.text(),
        Message::Assistant(message) => message.text(),
        other => panic!("{other:?}"),
    };
    conversation.messages().iter().map(text).collect()
}

#[test]
fn an_agent_can_be_shared_and_a_stream_can_be_a_body() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn body<T: futures_util::Stream + Send + 'static>() {}
    shared::<Agent>();
    shared::<Conversation>();
    body::<AgentStream>();
}

#[tokio::test]
async fn runs_of_an_agent_are_independent() {
    let (agent, server) = agent(&["One.", "Two."]).await;
    agent.run("First?").await.unwrap();
    agent.clone().run("Second?").await.unwrap();
    assert_eq!(
        server.requests()[1]["messages"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn a_conversation_has_one_run_at_a_time() {
    let (agent, _server) = agent(&["One.", "Two."]).await;
    let conversation = agent.conversation();
    let other = conversation.clone();
    let mut stream = conversation.stream("First?");
    assert!(matches!(
        stream.next().await,
        Some(Ok(AgentEvent::TurnStarted { turn: 1 }))
    ));
    for busy in [
        other.run("Second?").await.map(drop),
        other.resume().await.map(drop),
        other.clear(),
        other.truncate(3),
        other.stream("Second?").next().await.unwrap().map(drop),
    ] {
        assert!(matches!(busy, Err(AgentError::Busy)), "{busy:?}");
    }
    assert_eq!(texts(&other), ["First?"], "what is committed so far");
    drop(stream);
    assert_eq!(other.run("Second?").await.unwrap().text, "One.");
    assert_eq!(texts(&conversation), ["First?", "Second?", "One."]);
}

#[tokio::test]
async fn a_conversation_is_stored_with_its_version_and_read_back() {
    let (agent, _server) = agent(&["One."]).await;
    let conversation = agent.conversation();
    conversation.run("First?").await.unwrap();
    let mut stored = serde_json::to_value(&conversation).unwrap();
    assert_eq!(stored["version"], 1);
    assert_eq!(stored["messages"][1]["content"], "One.");

    stored["added_later"] = json!({"a": 1});
    let history: History = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&history).unwrap(), stored);
    assert_eq!(
        agent.conversation_from(history).usage(),
        conversation.usage()
    );

    for (wrong, expected) in [
        (json!(2), "format 2 was written by a later version"),
        (json!(0), "there is no format 0"),
        (Value::Null, "invalid type: null"),
    ] {
        stored["version"] = wrong;
        let error = serde_json::from_value::<History>(stored.clone()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_conversation_is_truncated_to_whole_exchanges() {
    let history = || {
        vec![
            Message::user("1"),
            Message::assistant("2"),
            Message::user("3"),
            Message::assistant("4"),
        ]
    };
    let (agent, _server) = agent(&[]).await;
    for (most, expected) in [
        (9, vec!["1", "2", "3", "4"]),
        (4, vec!["1", "2", "3", "4"]),
        (3, vec!["3", "4"]),
        (2, vec!["3", "4"]),
        (1, vec![]),
        (0, vec![]),
    ] {
        let conversation = agent.conversation_from(history());
        conversation.truncate(most).unwrap();
        assert_eq!(texts(&conversation), expected, "{most}");
    }
    let conversation = agent.conversation_from(history());
    conversation.clear().unwrap();
    assert!(conversation.messages().is_empty());
}

#[tokio::test]
async fn a_prompt_may_show_an_image() {
    let (agent, server) = agent(&["A dot."]).await;
    let png = Image::new("image/png", [0x89, b'P', b'N', b'G']);
    let prompt = [Content::from("What is this?"), png.into()];
    assert_eq!(agent.run(prompt).await.unwrap().text, "A dot.");
    let content = &server.requests()[0]["messages"][0]["content"];
    assert_eq!(
        content[1]["image_url"]["url"],
        "data:image/png;base64,iVBORw=="
    );
}

#[tokio::test]
async fn another_agent_continues_a_conversation() {
    let (first, _first) = agent(&["One."]).await;
    let (second, server) = agent(&["Two."]).await;
    let conversation = first.conversation();
    conversation.run("First?").await.unwrap();
    let conversation = conversation.with_agent(second.with_instructions("Be brief."));
    assert_eq!(conversation.run("Second?").await.unwrap().text, "Two.");
    assert_eq!(
        server.requests()[0]["messages"].as_array().unwrap().len(),
        4
    );
}

/// In either API, streamed or not.
#[tokio::test]
async fn reasoning_of_a_model_is_reported() {
    for streamed in [false, true] {
        for is_chat in [true, false] {
            let reply = ScriptedReply::text("Five.").with_reasoning("Two and three make five.");
            let server = ScriptedServer::start([reply]).await.unwrap();
            let client = server.client().unwrap();
            let reported = Arc::new(Mutex::new(String::new()));
            let thinking = Arc::clone(&reported);
            let agent = match is_chat {
                true => Agent::new(client, "scripted"),
                false => Agent::new(client.into_responses(), "scripted"),
            };
            let agent = agent.with_on_event(move |event| {
                if let AgentEvent::Thinking(more) = event {
                    *thinking.lock().unwrap() += more;
                }
            });
            match streamed {
                true => {
                    let mut stream = agent.stream("2 + 3?");
                    while let Some(event) = stream.next().await {
                        event.unwrap();
                    }
                }
                false => assert_eq!(agent.run("2 + 3?").await.unwrap().text, "Five."),
            }
            let reported = reported.lock().unwrap();
            assert_eq!(
                *reported, "Two and three make five.",
                "{streamed} {is_chat}"
            );
        }
    }
}
