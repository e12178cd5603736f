//! What models and the services before them send: wrong order, wrong ids, wrong names, half a call.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;
use tool_core::{CallContext, Dispatcher, ToolCall, tool, tools};

use crate::run_log::RunLog;
use crate::support::{codes, contents};

/// Look something up.
#[tool(read_only)]
async fn look_up(
    #[context] cx: &CallContext,
    #[state] run_log: &RunLog,
    #[arg(default = 10)] millis: u64,
) -> usize {
    let _inside = run_log.enter(cx.id());
    sleep(Duration::from_millis(millis)).await;
    cx.position()
}

/// Send a mail.
#[tool(exclusive)]
async fn send_mail(#[context] cx: &CallContext, #[state] run_log: &RunLog) {
    let _inside = run_log.enter(cx.id());
}

fn dispatcher() -> (Dispatcher, Arc<RunLog>) {
    let run_log = RunLog::begin();
    (
        Dispatcher::new(tools![look_up, send_mail].with_shared_state(Arc::clone(&run_log))),
        run_log,
    )
}

fn look_up_for(id: &str, millis: u64) -> ToolCall {
    ToolCall::new(id, "look_up", json!({"millis": millis}).to_string())
}

/// vercel #16567, #16578; strands harness-sdk #2112, #2340; open-swe #2198: results are in the
/// order in which they finished, which differs from run to run and costs the provider's cache. Here
/// they are in call order.
#[tokio::test(start_paused = true)]
async fn results_are_in_call_order() {
    let (dispatcher, _) = dispatcher();
    let results = dispatcher
        .dispatch(vec![
            look_up_for("a", 30),
            ToolCall::new("b", "gone", "{}"),
            look_up_for("c", 10),
        ])
        .await;
    assert_eq!(
        results.iter().map(|result| result.id()).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
}

/// zeroclaw #10959, qwen-code #6338, vercel #15811: definitions in the order of a hash map, and 6.7
/// % cache hits. Here they are as declared, byte for byte the same.
#[test]
fn definitions_are_in_declaration_order() {
    let of = || {
        let tools = tools![send_mail, look_up].with_shared_state(RunLog::begin());
        tools
            .definitions()
            .map(|tool| {
                format!(
                    "{} {} {}",
                    tool.name(),
                    tool.description(),
                    tool.parameters()
                )
            })
            .collect::<Vec<_>>()
    };
    assert!(of()[0].starts_with("send_mail") && of()[1].starts_with("look_up"));
    assert_eq!(of(), of());
}

/// vercel #19063, #13137, #16838; hermes-agent #7693, vllm #58228, dynamo #13791, tracker #507: a
/// call that was cut off runs with what there is of its arguments, or is left without an answer.
/// Here it never runs, whatever there is parses or not, and is answered.
#[tokio::test(start_paused = true)]
async fn a_call_that_was_cut_off_is_answered_and_never_runs() {
    let (dispatcher, run_log) = dispatcher();
    let mut turn = dispatcher.streaming_batch();
    turn.push(look_up_for("whole", 10));
    turn.open("cut", "look_up");
    let results = turn.finish().await;
    assert_eq!(codes(&results), ["ok", "truncated_call"]);
    assert!(results[1].content().contains("make it again"));

    let cut =
        ["", "{", r#"{"millis""#, r#"{"millis": 1"#].map(|text| ToolCall::new("", "look_up", text));
    assert_eq!(
        codes(&dispatcher.dispatch(cut.into()).await),
        ["invalid_json"; 4]
    );
    assert_eq!(run_log.begun(), ["whole"]);
}

/// mastra #22919, PR #24211; LibreChat agents #177; awaken #34; dynamo #6845; vercel #13638; tau
/// #295; langchain4j #4275: tools wait for the end of a message that takes seconds, or start before
/// their call is whole. Here a call starts when it is complete and every earlier one has started,
/// never sooner, and a barrier is one for what comes after it.
#[tokio::test(start_paused = true)]
async fn a_complete_call_starts_while_the_message_still_arrives() {
    let (dispatcher, run_log) = dispatcher();
    let mut turn = dispatcher.streaming_batch();
    turn.push(look_up_for("a", 10));
    sleep(Duration::from_millis(5)).await;
    let mail = turn.open("mail", "send_mail");
    turn.push(look_up_for("b", 10));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(run_log.runs(), ["a 0..10"]);
    turn.complete(mail, "{}");
    assert_eq!(codes(&turn.finish().await), ["ok"; 3]);
    assert_eq!(
        run_log.runs(),
        ["a 0..10", "mail 5005..5005", "b 5005..5015"]
    );
}

/// smolagents #2683, #2768, oh-my-pi #2055, mellea #1431, llmgateway #2789, pydantic-ai #6241,
/// vercel #17586; hermes #67777: ids that are missing, empty or repeated lose calls, end the run,
/// or are replaced at random. Here answers go by place, and ids stay as they came.
#[tokio::test(start_paused = true)]
async fn ids_that_are_empty_or_repeated_lose_nothing() {
    let (dispatcher, run_log) = dispatcher();
    let ids = ["same", "", "same", "", "same"];
    let results = dispatcher
        .dispatch(ids.map(|id| look_up_for(id, 10)).into())
        .await;
    assert_eq!(
        results.iter().map(|result| result.id()).collect::<Vec<_>>(),
        ids
    );
    assert_eq!(contents(&results), ["0", "1", "2", "3", "4"]);
    assert_eq!(run_log.begun().len(), 5);
}

/// openai-agents-python #325, #3402, #3461, PraisonAI #3309, livekit #6085, hpe #489, langchain4j
/// #1052, zed #29946: a name that does not exist ends the run, or the model guesses it twelve
/// times. Here it reads the name it may have meant, and siblings run.
#[tokio::test(start_paused = true)]
async fn a_name_that_does_not_exist_is_answered_with_the_nearest() {
    let (dispatcher, _) = dispatcher();
    let batch = vec![
        ToolCall::new("a", "lookup", "{}"),
        look_up_for("b", 10),
        ToolCall::new("c", "xyz", "{}"),
        ToolCall::new("d", "", "{}"),
    ];
    let results = dispatcher.dispatch(batch).await;
    assert_eq!(
        codes(&results),
        ["unknown_tool", "ok", "unknown_tool", "unknown_tool"]
    );
    assert!(results[0].content().contains("did you mean `look_up`?"));
    assert!(
        results[2]
            .content()
            .contains("the tools are `look_up`, `send_mail`")
    );
}

/// pydantic-ai #3461, #4728, #6319, #7977; dify #41616; positron #15719; everruns #2097: a call of
/// an interrupted run has no answer, and the next request is refused for it. Here every call has
/// one after every outcome, and it reports what happened to the call.
#[tokio::test(start_paused = true)]
async fn every_call_of_an_interrupted_message_is_answered() {
    let (dispatcher, _) = dispatcher();
    let mut turn = dispatcher.streaming_batch();
    turn.push(look_up_for("settled", 1));
    turn.push(look_up_for("running", 1000));
    turn.push(ToolCall::new("waiting", "send_mail", "{}"));
    turn.push(ToolCall::new("unknown", "gone", "{}"));
    turn.open("half", "look_up");
    sleep(Duration::from_millis(10)).await;
    let results = turn.cancel();
    assert_eq!(
        results.iter().map(|result| result.id()).collect::<Vec<_>>(),
        ["settled", "running", "waiting", "unknown", "half"]
    );
    assert_eq!(
        codes(&results),
        [
            "ok",
            "cancelled",
            "not_started",
            "unknown_tool",
            "not_started"
        ]
    );
    assert!(results.iter().all(|result| !result.content().is_empty()));
}
