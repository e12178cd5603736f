//! Outputs that are more than text, and outputs with a published schema.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tool_core::{
    Audio, Content, Dispatcher, DynamicTool, ErrorCode, Image, Link, Resource, ToolError,
    ToolOutput, ToolSet, tool, toolbox, tools,
};
use tool_openai::testing::{ScriptedReply, ScriptedServer};
use tool_openai::{Agent, Profile, chat};

use crate::scripted::check_against_the_specification;
use crate::support::{calls, codes, contents};

fn picture(bytes: usize) -> Image {
    Image::new("image/png", vec![7; bytes])
}

/// Take a picture.
#[tool]
async fn take(bytes: usize) -> Image {
    picture(bytes)
}

/// Take a picture, perhaps.
#[tool]
fn take_perhaps(there: bool) -> Result<Option<Image>, ToolError> {
    Ok(there.then(|| picture(3)))
}

/// Record a sound.
#[tool(inline)]
fn record() -> anyhow::Result<Audio> {
    Ok(Audio::new("audio/wav", *b"RIFF"))
}

/// Read a letter.
#[tool]
async fn read_letter() -> Resource {
    Resource::text("records://1/letter.md", "# Letter").with_mime_type("text/markdown")
}

/// Find the guideline.
#[tool]
async fn find_guideline() -> Link {
    Link::new("https://guide.example/1", "Guideline")
}

/// Describe and show.
#[tool]
async fn show(bytes: usize) -> Vec<Content> {
    vec![
        "A picture:".into(),
        picture(bytes).into(),
        "That is it.".into(),
    ]
}

/// Say something, made by hand.
#[tool]
async fn by_hand() -> ToolOutput {
    ToolOutput::from_blocks([Content::from("one"), picture(3).into()])
}

fn all() -> Dispatcher {
    let schema = json!({"type": "object", "properties": {}});
    let dynamic = DynamicTool::new("dynamic", "Show.", schema, |_| async {
        Ok::<_, ToolError>([picture(3)])
    });
    let tools = tools![
        take,
        take_perhaps,
        record,
        read_letter,
        find_guideline,
        show,
        by_hand
    ];
    Dispatcher::new(tools.with_tool(dynamic.unwrap()).unwrap())
}

#[tokio::test]
async fn every_way_to_return_content_keeps_its_blocks() {
    let results = all()
        .dispatch(calls([
            ("take", r#"{"bytes": 3}"#),
            ("take_perhaps", r#"{"there": true}"#),
            ("take_perhaps", r#"{"there": false}"#),
            ("record", "{}"),
            ("read_letter", "{}"),
            ("find_guideline", "{}"),
            ("show", r#"{"bytes": 3}"#),
            ("by_hand", "{}"),
            ("dynamic", "{}"),
        ]))
        .await;
    let blocks: Vec<&[Content]> = results
        .iter()
        .map(|result| result.outcome().unwrap().blocks())
        .collect();
    let image = || Content::from(picture(3));
    let letter =
        Resource::text("records://1/letter.md", "# Letter").with_mime_type("text/markdown");
    let expected: Vec<Vec<Content>> = vec![
        vec![image()],
        vec![image()],
        vec!["null".into()],
        vec![Audio::new("audio/wav", *b"RIFF").into()],
        vec![letter.into()],
        vec![Link::new("https://guide.example/1", "Guideline").into()],
        vec!["A picture:".into(), image(), "That is it.".into()],
        vec!["one".into(), image()],
        vec![image()],
    ];
    assert_eq!(blocks, expected);
    assert_eq!(
        results[0].content(),
        "[image: image/png, 3 bytes, not shown]"
    );
    assert!(results.iter().all(|result| !result.content().is_empty()));
}

#[test]
fn text_for_the_model_is_never_blank() {
    for text in ["", " \n", "\u{2003}"] {
        let call = tool_core::ToolCall::new("call_0", "say", "{}");
        let output = ToolOutput::from_text(text);
        let result = tool_core::ToolResult::new(call, 0, Ok(output));
        assert_eq!(result.content(), "[no output]");
        assert_eq!(result.outcome().unwrap().text(), text);
    }
}

#[tokio::test]
async fn a_block_over_the_bound_is_replaced_and_the_others_stay() {
    // 1 500 bytes are 2 000 in base64.
    let dispatcher = all().with_limits(|limits| limits.output_bytes = 1900);
    let results = dispatcher
        .dispatch(calls([
            ("show", r#"{"bytes": 1500}"#),
            ("take", r#"{"bytes": 1500}"#),
            ("take", r#"{"bytes": 1300}"#),
        ]))
        .await;
    let left_out = "[image: image/png, 1500 bytes, left out: too large]";
    assert_eq!(
        contents(&results),
        [
            &format!("A picture:\n{left_out}\nThat is it."),
            left_out,
            "[image: image/png, 1300 bytes, not shown]"
        ]
    );
    let truncated = |at: usize| results[at].outcome().unwrap().truncated();
    assert_eq!(
        [truncated(0), truncated(1), truncated(2)],
        [true, true, false]
    );
}

#[tokio::test]
async fn a_batch_counts_the_bytes_of_pictures() {
    let dispatcher = all().with_limits(|limits| limits.batch_output_bytes = 4000);
    let results = dispatcher
        .dispatch(calls([("take", r#"{"bytes": 1500}"#); 3]))
        .await;
    let shown = results
        .iter()
        .filter(|result| matches!(result.outcome().unwrap().blocks(), [Content::Image(_)]));
    assert_eq!(shown.count(), 1, "{:?}", contents(&results));
}

#[tokio::test]
async fn content_passes_through_tools_that_call_tools() {
    /// Take two pictures.
    #[tool]
    async fn take_two(
        #[context] cx: &tool_core::CallContext,
    ) -> Result<Vec<ToolOutput>, ToolError> {
        let results = cx.dispatch(calls([("show", r#"{"bytes": 3}"#); 2])).await;
        results
            .into_iter()
            .map(tool_core::ToolResult::into_outcome)
            .collect()
    }
    let results = Dispatcher::new(tools![show, take_two])
        .dispatch(calls([("take_two", "{}")]))
        .await;
    let blocks = results[0].outcome().unwrap().blocks();
    assert_eq!(
        (blocks.len(), &blocks[1], &blocks[4]),
        (6, &picture(3).into(), &picture(3).into())
    );
}

#[derive(Serialize, schemars::JsonSchema)]
struct Finding {
    /// What was measured.
    name: String,
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, i32>,
}

type Findings = Result<Vec<Finding>, ToolError>;

/// List findings.
#[tool(structured, timeout = "1s")]
async fn list_findings(count: u32) -> Findings {
    let finding = |number| Finding {
        name: format!("test {number}"),
        value: (number > 0).then_some(0.5),
        unit: (number > 1).then(|| "mg".to_owned()),
        more: BTreeMap::from([("rank".to_owned(), 1)]),
    };
    match count {
        9 => Err(ToolError::new(ErrorCode::ToolError, "nine is too many")),
        count => Ok((0..count).map(finding).collect()),
    }
}

/// Say hello.
#[tool(structured)]
fn hello() -> &'static str {
    "hello"
}

/// Wait.
#[tool(structured)]
fn wait() -> impl Future<Output = Option<Duration>> + Send {
    std::future::ready(Some(Duration::from_millis(1)))
}

/// Do nothing.
#[tool(structured)]
async fn nothing() {}

struct Ward;

#[toolbox]
impl Ward {
    /// Get the ward.
    #[tool(structured)]
    async fn get_ward(&self) -> Result<(u8, String), std::io::Error> {
        Ok((3, "North".to_owned()))
    }
}

fn structured() -> Dispatcher {
    let schema = json!({"type": "object", "properties": {}});
    let dynamic = DynamicTool::new("dynamic", "Count.", schema, |_| async {
        Ok::<_, ToolError>("5")
    })
    .unwrap()
    .with_output_schema(json!({"type": "string"}))
    .unwrap();
    let tools: ToolSet<()> = tools![list_findings, hello, wait, nothing, Ward]
        .with_shared_state(std::sync::Arc::new(Ward));
    Dispatcher::new(tools.with_tool(dynamic).unwrap())
}

#[tokio::test]
async fn a_structured_output_matches_its_schema() {
    let dispatcher = structured();
    let calls = calls([
        ("list_findings", r#"{"count": 3}"#),
        ("list_findings", r#"{"count": 0}"#),
        ("hello", "{}"),
        ("wait", "{}"),
        ("nothing", "{}"),
        ("get_ward", "{}"),
        ("dynamic", "{}"),
    ]);
    for result in dispatcher.dispatch(calls).await {
        let output = result.outcome().unwrap();
        let definition = dispatcher.tools().definition(result.name()).unwrap();
        let schema = definition.output_schema().unwrap();
        let value = output.structured().unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&result.content()).unwrap(),
            value
        );
        let verdict = jsonschema::draft202012::validate(schema, &value);
        assert!(verdict.is_ok(), "{}: {verdict:?} {schema}", result.name());
    }
    let schema = |name: &str| {
        dispatcher
            .tools()
            .definition(name)
            .unwrap()
            .output_schema()
            .cloned()
    };
    assert_eq!(schema("hello"), Some(json!({"type": "string"})));
    assert_eq!(schema("nothing"), Some(json!({"type": "null"})));
    let findings = schema("list_findings").unwrap();
    assert_eq!(findings["type"], "array");
    assert!(
        findings["$defs"]["Finding"]["required"] == json!(["name", "value"]),
        "{findings}"
    );
    assert_eq!(
        all().tools().definition("take").unwrap().output_schema(),
        None
    );
}

#[tokio::test]
async fn a_structured_output_is_never_cut() {
    let dispatcher = structured().with_limits(|limits| {
        limits.output_bytes = 1000;
        limits.batch_output_bytes = 1000;
    });
    let results = dispatcher
        .dispatch(calls([
            ("list_findings", r#"{"count": 100}"#),
            ("list_findings", r#"{"count": 15}"#),
            ("list_findings", r#"{"count": 15}"#),
            ("list_findings", r#"{"count": 9}"#),
            ("list_findings", r#"{"count": 3}"#),
        ]))
        .await;
    let codes = codes(&results);
    assert_eq!(codes[0], "unserializable_output");
    assert!(
        results[0].content().contains("1000 bytes"),
        "{}",
        results[0].content()
    );
    // Either of the two may come first; the batch has room for one.
    let mut two = [codes[1], codes[2]];
    two.sort_unstable();
    assert_eq!(two, ["ok", "unserializable_output"]);
    assert_eq!(&codes[3..], ["tool_error", "ok"]);
}

#[test]
fn a_bad_output_schema_is_refused() {
    let schema = json!({"type": "object", "properties": {}});
    let tool =
        DynamicTool::new("dynamic", "", schema, |_| async { Ok::<_, ToolError>(5) }).unwrap();
    let error = tool
        .with_output_schema(json!({"properties": {"a": {"type": "strng"}}}))
        .unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("output schema of tool `dynamic`") && error.contains("`properties.a.type`"),
        "{error}"
    );
}

/// The bodies that an agent sends when the model asks for pictures, and its history.
async fn requests(
    client: impl FnOnce(&ScriptedServer) -> Agent,
) -> (Vec<Value>, Vec<tool_openai::chat::Message>) {
    let calls = [
        ("take", json!({"bytes": 3})),
        ("record", json!({})),
        ("show", json!({"bytes": 2})),
    ];
    let server = ScriptedServer::start([
        ScriptedReply::calls(calls),
        ScriptedReply::text("A wall."),
        ScriptedReply::text("A white one."),
    ])
    .await
    .unwrap();
    let agent = client(&server).with_tools(all()).conversation();
    assert_eq!(agent.run("What is there?").await.unwrap().text, "A wall.");
    assert_eq!(agent.run("Which?").await.unwrap().text, "A white one.");
    (server.requests(), agent.messages().to_vec())
}

#[tokio::test]
async fn chat_shows_images_behind_all_results() {
    let (requests, mut history) = requests(|server| {
        Agent::new(server.client().unwrap(), "m").with_profile(Profile::openai())
    })
    .await;
    let messages = requests[2]["messages"].as_array().unwrap();
    let roles: Vec<_> = messages
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(
        roles,
        [
            "user",
            "assistant",
            "tool",
            "tool",
            "tool",
            "user",
            "assistant",
            "user"
        ]
    );
    let contents: Vec<_> = messages[2..6]
        .iter()
        .map(|message| &message["content"])
        .collect();
    let ids =
        [&messages[2]["tool_call_id"], &messages[4]["tool_call_id"]].map(|id| id.as_str().unwrap());
    let label = |number: usize, tool: &str| {
        let id = ids[number - 1];
        json!({"type": "text", "text": format!("Image {number}, from the result of call `{id}` of `{tool}`:")})
    };
    let image = |data: &str| {
        let url = format!("data:image/png;base64,{data}");
        json!({"type": "image_url", "image_url": {"url": url}})
    };
    assert_eq!(
        contents,
        [
            &json!("[image 1: image/png, 3 bytes, shown behind the results]"),
            &json!("[audio: audio/wav, 4 bytes, not shown]"),
            &json!(
                "A picture:\n[image 2: image/png, 2 bytes, shown behind the results]\nThat is it."
            ),
            &json!([
                label(1, "take"),
                image("BwcH"),
                label(2, "show"),
                image("Bwc=")
            ]),
        ]
    );
    assert_eq!(
        requests[1]["messages"].as_array().unwrap().as_slice(),
        &messages[..6]
    );
    check_against_the_specification("request", &[requests[2].to_string()]);
    assert_eq!(chat::repair(&mut history), []);
}

#[tokio::test]
async fn a_service_without_images_gets_a_note_about_them() {
    let (requests, _) = requests(|server| Agent::new(server.client().unwrap(), "m")).await;
    let messages = requests[1]["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 5);
    assert_eq!(
        messages[2]["content"],
        "[image: image/png, 3 bytes, not shown]"
    );
    assert_eq!(
        messages[4]["content"],
        "A picture:\n[image: image/png, 2 bytes, not shown]\nThat is it."
    );
}

#[tokio::test]
async fn responses_has_images_in_the_outputs() {
    let (requests, history) = requests(|server| {
        Agent::new(server.client().unwrap().into_responses(), "m").with_profile(Profile::openai())
    })
    .await;
    let input = requests[1]["input"].as_array().unwrap();
    let outputs: Vec<_> = input
        .iter()
        .filter(|item| item["type"] == "function_call_output")
        .map(|item| &item["output"])
        .collect();
    let image = |data: &str| {
        let url = format!("data:image/png;base64,{data}");
        json!({"type": "input_image", "image_url": url, "detail": "auto"})
    };
    let text = |text: &str| json!({"type": "input_text", "text": text});
    assert_eq!(
        outputs,
        [
            &json!([image("BwcH")]),
            &json!("[audio: audio/wav, 4 bytes, not shown]"),
            &json!([text("A picture:"), image("Bwc="), text("That is it.")]),
        ]
    );
    check_against_the_specification("responses-request", &[requests[2].to_string()]);

    // Chat completions take the history once the images are moved behind the results.
    let server = ScriptedServer::start([ScriptedReply::text("Yes.")])
        .await
        .unwrap();
    let agent = Agent::new(server.client().unwrap(), "m").conversation_from(history);
    assert_eq!(agent.run("Sure?").await.unwrap().text, "Yes.");
    let messages = server.requests()[0]["messages"].clone();
    assert_eq!(
        messages[2]["content"],
        "[image 1, shown behind the results]"
    );
    assert_eq!(
        messages[4]["content"],
        "A picture:\n[image 2, shown behind the results]\nThat is it."
    );
    assert_eq!(messages[5]["content"].as_array().unwrap().len(), 4);
    check_against_the_specification("request", &[server.requests()[0].to_string()]);
}
