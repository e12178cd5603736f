//! Another crate's client, `async-openai`, with our definitions, calls and results.

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::chat::{
    ChatCompletionRequestMessage, ChatCompletionStreamOptions, ChatCompletionTools,
    CreateChatCompletionRequest,
};
use futures_util::StreamExt;
use serde_json::{json, to_value};
use tool_core::{Dispatcher, tool, tools};
use tool_openai::Assembler;
use tool_openai::chat::{self, ChatAssembler, Choice, Completion, Message, Request};
use tool_openai::testing::{ScriptedReply, ScriptedServer};

/// Add two numbers.
#[tool(read_only)]
fn add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}

async fn server() -> (ScriptedServer, Client<OpenAIConfig>) {
    let calls = ScriptedReply::calls([
        ("add", json!({"a": 1, "b": 2})),
        ("add", json!({"a": 3, "b": 4})),
    ]);
    let server = ScriptedServer::start([calls, ScriptedReply::text("3 and 7.")])
        .await
        .unwrap();
    let client = Client::with_config(
        OpenAIConfig::new()
            .with_api_base(server.base_url())
            .with_api_key("key"),
    );
    (server, client)
}

/// What a program does with an answer: runs its calls and puts both into the conversation.
async fn answer(
    dispatcher: &Dispatcher,
    choice: Choice,
    messages: &mut Vec<Message>,
) -> Option<String> {
    let parsed = choice.parse(dispatcher.tools(), messages.len());
    if parsed.calls.is_empty() {
        return Some(parsed.message.text());
    }
    let results = dispatcher.dispatch(parsed.calls.clone()).await;
    let replies = parsed.replies(&results);
    messages.push(parsed.message.into_message());
    messages.extend(replies);
    None
}

fn check(server: &ScriptedServer) {
    let sent = server.requests()[1]["messages"].clone();
    let replies: Vec<_> = sent.as_array().unwrap()[2..]
        .iter()
        .map(|message| (&message["tool_call_id"], &message["content"]))
        .collect();
    let id = |at: usize| &sent[1]["tool_calls"][at]["id"];
    assert_eq!(replies, [(id(0), &json!("3")), (id(1), &json!("7"))]);
}

#[tokio::test]
async fn its_typed_client_carries_our_definitions_and_results() {
    let (server, client) = server().await;
    let dispatcher = Dispatcher::new(tools![add]);
    let offered: Vec<ChatCompletionTools> = chat::tools(dispatcher.tools())
        .unwrap()
        .into_iter()
        .map(|tool| tool.try_into().unwrap())
        .collect();
    let mut messages = vec![Message::user("1 + 2? 3 + 4?")];
    let text = loop {
        let theirs: Vec<ChatCompletionRequestMessage> = messages
            .iter()
            .cloned()
            .map(|message| message.try_into().unwrap())
            .collect();
        let request = CreateChatCompletionRequest {
            model: "scripted".into(),
            messages: theirs,
            tools: Some(offered.clone()),
            ..Default::default()
        };
        let completion =
            Completion::try_from(client.chat().create(request).await.unwrap()).unwrap();
        assert!(completion.usage.is_some_and(|usage| usage.total_tokens > 0));
        let choice = completion.choices.into_iter().next().unwrap();
        if let Some(text) = answer(&dispatcher, choice, &mut messages).await {
            break text;
        }
    };
    assert_eq!(text, "3 and 7.");
    check(&server);
}

#[tokio::test]
async fn its_client_takes_our_types_as_they_are() {
    let (server, client) = server().await;
    let dispatcher = Dispatcher::new(tools![add]);
    let mut messages = vec![Message::user("1 + 2? 3 + 4?")];
    let text = loop {
        let tools = chat::tools(dispatcher.tools()).unwrap().into_vec();
        let request = Request {
            model: "scripted".into(),
            messages: messages.clone(),
            tools: tools.into(),
            ..Request::default()
        };
        let completion: Completion = client.chat().create_byot(request).await.unwrap();
        if let Some(text) = answer(
            &dispatcher,
            completion.choices.into_iter().next().unwrap(),
            &mut messages,
        )
        .await
        {
            break text;
        }
    };
    assert_eq!(text, "3 and 7.");
    check(&server);
}

#[tokio::test]
async fn its_streams_are_put_together_by_our_assembler() {
    let (server, client) = server().await;
    let dispatcher = Dispatcher::new(tools![add]);
    let mut messages = vec![Message::user("1 + 2? 3 + 4?")];
    let text = loop {
        let tools = chat::tools(dispatcher.tools()).unwrap().into_vec();
        let request = Request {
            model: "scripted".into(),
            messages: messages.clone(),
            tools: tools.into(),
            ..Request::default()
        };
        let mut request = CreateChatCompletionRequest::try_from(request).unwrap();
        request.stream = Some(true);
        request.stream_options = Some(ChatCompletionStreamOptions {
            include_usage: Some(true),
            include_obfuscation: None,
        });
        let mut stream = client.chat().create_stream(request).await.unwrap();
        let mut assembler = ChatAssembler::new();
        while let Some(chunk) = stream.next().await {
            assembler.push(to_value(chunk.unwrap()).unwrap()).unwrap();
        }
        let completion = assembler.finish().unwrap();
        assert!(completion.usage.is_some_and(|usage| usage.total_tokens > 0));
        if let Some(text) = answer(
            &dispatcher,
            completion.choices.into_iter().next().unwrap(),
            &mut messages,
        )
        .await
        {
            break text;
        }
    };
    assert_eq!(text, "3 and 7.");
    check(&server);
}
