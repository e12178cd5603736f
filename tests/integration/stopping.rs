//! Stop conditions of a run, and structured output.

use std::sync::atomic::{AtomicU32, Ordering};

use serde::Deserialize;
use serde_json::{Value, json};
use tool_core::{tool, tools};
use tool_openai::chat::{Message, ToolChoice};
use tool_openai::testing::{MockModel, ScriptedReply};
use tool_openai::{Agent, AgentError, Outcome, Profile};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Look something up.
#[tool(read_only)]
async fn look_up(what: &str) -> String {
    format!("found {what}")
}

/// Count up.
#[tool]
async fn count() -> u32 {
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// Hand over the answer.
#[tool]
async fn hand_over(answer: &str) -> Result<String, String> {
    match answer {
        "" => Err("it is empty".to_owned()),
        answer => Ok(format!("handed over {answer}")),
    }
}

fn call(name: &'static str, arguments: Value) -> ScriptedReply {
    ScriptedReply::calls([(name, arguments)])
}

fn look(what: &str) -> ScriptedReply {
    call("look_up", json!({"what": what}))
}

fn agent(replies: impl IntoIterator<Item = ScriptedReply>) -> (Agent, MockModel) {
    let model = MockModel::new(replies);
    let agent = Agent::new(model.clone(), "mock").with_tools(tools![look_up, count, hand_over]);
    (agent, model)
}

#[tokio::test]
async fn a_run_is_stopped_by_a_condition_and_can_continue() {
    let (agent, model) = agent([look("a"), look("b"), ScriptedReply::text("Done.")]);
    let conversation = agent
        .with_stop_when(|results| results.iter().any(|result| result.content() == "found b"))
        .conversation();
    let reply = conversation.run("Go.").await.unwrap();
    assert!(matches!(reply.outcome, Outcome::Stopped));
    assert_eq!((reply.turns, model.replies_left()), (2, 1));
    assert!(matches!(
        conversation.messages().last(),
        Some(Message::Tool(_))
    ));
    assert_eq!(conversation.resume().await.unwrap().text, "Done.");
}

#[tokio::test]
async fn a_final_tool_ends_the_run_when_it_succeeds() {
    let hand_over = |answer: &str| call("hand_over", json!({"answer": answer}));
    let (agent, model) = agent([
        hand_over(""),
        hand_over("42"),
        ScriptedReply::text("Never."),
    ]);
    let reply = agent.with_final_tool("hand_over").run("Go.").await.unwrap();
    assert!(matches!(reply.outcome, Outcome::Stopped));
    assert_eq!((reply.turns, model.replies_left()), (2, 1));
}

#[tokio::test]
async fn a_final_tool_that_is_not_there_is_an_error() {
    let (agent, model) = agent([ScriptedReply::text("Never.")]);
    let error = agent
        .with_final_tool("hand_in")
        .run("Go.")
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("there is no tool `hand_in`"),
        "{error}"
    );
    assert_eq!(model.replies_left(), 1);
}

#[tokio::test]
async fn a_run_over_its_budget_ends_before_the_next_turn() {
    let (agent, model) = agent([look("a"), look("b"), ScriptedReply::text("Done.")]);
    let conversation = agent.with_token_budget(1).conversation();
    let error = conversation.run("Go.").await.unwrap_err();
    assert!(
        matches!(
            error,
            AgentError::TokenBudget {
                used: 2..,
                budget: 1
            }
        ),
        "{error}"
    );
    assert_eq!(
        model.replies_left(),
        2,
        "the turn that went over it is whole"
    );
    assert_eq!(conversation.messages().len(), 3);
    let unlimited = conversation
        .clone()
        .with_agent(Agent::new(model, "mock").with_tools(tools![look_up]));
    assert_eq!(unlimited.resume().await.unwrap().text, "Done.");
}

#[tokio::test]
async fn a_model_that_repeats_the_same_calls_is_stopped() {
    let (agent, model) = agent([
        look("a"),
        look("b"),
        look("b"),
        look("b"),
        ScriptedReply::text("Done."),
    ]);
    let error = agent.with_loop_guard(3).run("Go.").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model has called `look_up` 3 times in a row with the same result"
    );
    assert_eq!(model.replies_left(), 1);
}

#[tokio::test]
async fn the_same_call_with_other_results_is_not_a_loop() {
    let count = || call("count", json!({}));
    let (agent, _) = agent([count(), count(), count(), ScriptedReply::text("Done.")]);
    assert_eq!(
        agent.with_loop_guard(0).run("Go.").await.unwrap().text,
        "Done."
    );
}

#[tokio::test]
async fn a_turn_can_be_prepared() {
    let (agent, model) = agent([look("a"), look("b"), ScriptedReply::text("Done.")]);
    let agent = agent.with_prepare_turn(|turn, request| {
        if turn == 2 {
            request.extra.insert("temperature".to_owned(), json!(0.5));
            request.messages.truncate(3);
            request.tool_choice = Some(ToolChoice::Required);
        }
    });
    agent.run("Go.").await.unwrap();
    let requests = model.requests();
    let seen: Vec<_> = requests
        .iter()
        .map(|request| &request["temperature"])
        .collect();
    assert_eq!(seen, [&Value::Null, &json!(0.5), &Value::Null]);
    assert_eq!(requests[1]["tool_choice"], "required");
    assert_eq!(requests[2]["messages"].as_array().unwrap().len(), 5);
}

#[derive(Debug, PartialEq, Deserialize, schemars::JsonSchema)]
struct Weather {
    city: String,
    celsius: f64,
    wind: Option<String>,
    #[serde(default)]
    clouds: u8,
}

#[tokio::test]
async fn structured_output_is_requested_when_the_model_may_answer() {
    let answer = ScriptedReply::text(
        "```json\n{\"city\": \"Oslo\", \"celsius\": 4, \"wind\": null, \"clouds\": null}\n```",
    );
    let model = MockModel::new([look("Oslo"), answer]).with_profile(Profile::openai());
    let agent = Agent::new(model.clone(), "mock")
        .with_tools(tools![look_up])
        .with_tool_choice(ToolChoice::Required);
    let weather: Weather = agent.run_as("How is it in Oslo?").await.unwrap();
    let expected = Weather {
        city: "Oslo".to_owned(),
        celsius: 4.0,
        wind: None,
        clouds: 0,
    };
    assert_eq!(weather, expected);
    let requests = model.requests();
    assert_eq!(
        requests[0]["response_format"],
        Value::Null,
        "it has to call a tool"
    );
    let format = &requests[1]["response_format"];
    assert_eq!(format["type"], "json_schema");
    assert_eq!(format["json_schema"]["name"], "Weather");
    assert_eq!(format["json_schema"]["strict"], true);
    let required = &format["json_schema"]["schema"]["required"];
    assert_eq!(*required, json!(["city", "celsius", "wind", "clouds"]));
}

#[tokio::test]
async fn a_wrong_structured_output_names_the_path_and_keeps_the_reply() {
    for (text, expected) in [
        (
            r#"{"city": "Oslo", "celsius": "cold"}"#,
            "`celsius`: invalid type: string \"cold\"",
        ),
        (r#"{"city": "Oslo"}"#, "missing field `celsius`"),
        (
            r#"{"city": "Oslo", "celsius": 1} or so"#,
            "trailing characters",
        ),
        ("It is cold.", "expected value"),
    ] {
        let (agent, _) = agent([ScriptedReply::text(text)]);
        let error = agent.run_as::<Weather>("How is it?").await.unwrap_err();
        let AgentError::Answer { reason, reply } = error else {
            panic!("{error}");
        };
        assert!(reason.contains(expected), "{reason}");
        assert_eq!(reply.text, text);
    }
}

/// Only what the schema has no `null` for: a map keeps its own.
#[tokio::test]
async fn nulls_with_a_meaning_are_kept() {
    type Map = std::collections::BTreeMap<String, Option<u8>>;
    #[derive(Deserialize, schemars::JsonSchema)]
    struct Beds {
        free: Map,
        #[serde(default)]
        floor: u8,
    }
    let text = r#"{"free": {"a": null, "b": 1}, "floor": null}"#;
    let (agent, _) = agent([ScriptedReply::text(text)]);
    let beds: Beds = agent.run_as("Beds?").await.unwrap();
    assert_eq!((beds.free.len(), beds.floor), (2, 0));
}

#[tokio::test]
async fn an_answer_that_is_not_an_object_is_wrapped_in_one() {
    for text in [r#"{"value": ["a", "b"]}"#, r#"["a", "b"]"#] {
        let model = MockModel::new([ScriptedReply::text(text)]).with_profile(Profile::openai());
        let list: Vec<String> = Agent::new(model.clone(), "m")
            .run_as("List.")
            .await
            .unwrap();
        assert_eq!(list, ["a", "b"]);
        let format = &model.requests()[0]["response_format"]["json_schema"];
        assert_eq!(
            (&format["strict"], &format["schema"]["type"]),
            (&json!(true), &json!("object"))
        );
    }
}
