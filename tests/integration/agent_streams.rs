//! The agent while the model still writes: what it tells, what starts early, and what becomes of a message that never ends.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Value, from_value, json, to_value};
use tokio::time::{Instant, sleep};
use tool_core::{CallContext, Dispatcher, ErrorCode, ToolError, tool, tools};
use tool_openai::chat::{Completion, Message, Request, TextFormat, ToolCall, ToolChoice};
use tool_openai::{Agent, AgentError, AgentEvent, ChatModel, ModelError, ModelEvent, ModelFuture, ModelStream, StartPolicy};

/// What a scripted model does next.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "a script is short")]
enum Act {
    Write(ModelEvent),
    Think(u64),
    Break,
    Botch,
    Hang,
}

/// A model that writes what its script says, one script a request.
#[derive(Clone, Default)]
struct Scripted {
    turns: Arc<Mutex<VecDeque<Vec<Act>>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    fn new(turns: impl IntoIterator<Item = Vec<Act>>) -> Self {
        Self { turns: Arc::new(Mutex::new(turns.into_iter().collect())), ..Self::default() }
    }

    fn next(&self, request: &Request) -> VecDeque<Act> {
        self.requests.lock().unwrap().push(request.clone());
        self.turns.lock().unwrap().pop_front().expect("the script is over").into()
    }

    /// The messages of the last request.
    fn conversation(&self) -> Value {
        to_value(&self.requests.lock().unwrap().last().unwrap().messages).unwrap()
    }
}

impl ChatModel for Scripted {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        let mut stream = self.stream(request);
        Box::pin(async move {
            while let Some(event) = stream.next().await {
                if let ModelEvent::Finished(completion) = event? {
                    return Ok(completion);
                }
            }
            unreachable!("scripts end")
        })
    }

    fn stream<'a>(&'a self, request: &'a Request) -> ModelStream<'a> {
        Box::pin(stream::unfold(self.next(request), |mut acts| async move {
            loop {
                match acts.pop_front()? {
                    Act::Write(event) => return Some((Ok(event), acts)),
                    Act::Think(millis) => sleep(Duration::from_millis(millis)).await,
                    Act::Break => return Some((Err(ModelError::Other("the connection broke".into())), acts)),
                    Act::Botch => {
                        let code = Some("tool_use_failed".to_owned());
                        let error =
                            ModelError::BrokenOff { code, message: "Failed to call a function.".to_owned(), failed_generation: None };
                        return Some((Err(error), acts));
                    }
                    Act::Hang => pending().await,
                }
            }
        }))
    }
}

fn call(position: usize, name: &str, arguments: &Value) -> ToolCall {
    let text = arguments.as_str().map_or_else(|| arguments.to_string(), str::to_owned);
    from_value(json!({"id": format!("call_{position}"), "type": "function", "function": {"name": name, "arguments": text}})).unwrap()
}

/// A call as it is written: begun, thought about for so many milliseconds, complete.
fn writes(position: usize, name: &str, arguments: Value, millis: u64) -> Vec<Act> {
    let call = call(position, name, &arguments);
    let delta = call.function.arguments.clone();
    vec![
        Act::Write(ModelEvent::CallBegins { position, name: name.to_owned() }),
        Act::Think(millis),
        Act::Write(ModelEvent::Arguments { position, delta }),
        Act::Write(ModelEvent::CallComplete { position, call }),
    ]
}

fn ends(message: Value, finish_reason: &str) -> Act {
    let completion: Completion = from_value(json!({
        "choices": [{"message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }))
    .unwrap();
    Act::Write(ModelEvent::Finished(completion))
}

fn says(text: &str) -> Vec<Act> {
    vec![Act::Write(ModelEvent::Text(text.to_owned())), ends(json!({"content": text}), "stop")]
}

/// A message with these calls, each written in so many milliseconds.
fn calls(calls: &[(&str, Value)], millis: u64) -> Vec<Act> {
    let wire: Vec<_> = calls.iter().enumerate().map(|(position, (name, arguments))| call(position, name, arguments)).collect();
    let written = calls.iter().enumerate().flat_map(|(position, (name, arguments))| writes(position, name, arguments.clone(), millis));
    written.chain([ends(json!({"content": null, "tool_calls": wire}), "tool_calls")]).collect()
}

/// When what began, from the start of the test.
type Diary = Arc<Mutex<Vec<(String, u64)>>>;

struct Clinic {
    began: Instant,
    diary: Diary,
}

impl Clinic {
    fn note(&self, what: &str) {
        self.diary.lock().unwrap().push((what.to_owned(), u64::try_from(self.began.elapsed().as_millis()).unwrap()));
    }
}

/// Look something up.
#[tool(read_only)]
async fn look_up(#[state] clinic: &Clinic, #[context] cx: &CallContext, what: &str) -> String {
    clinic.note(what);
    cx.progress("half way", 0.5);
    sleep(Duration::from_millis(300)).await;
    format!("found {what}")
}

/// Write something down.
#[tool]
async fn write_down(#[state] clinic: &Clinic, what: &str) -> String {
    clinic.note(what);
    format!("wrote {what}")
}

/// Stop everything.
#[tool(read_only)]
async fn give_up() -> Result<(), ToolError> {
    Err(ToolError::fatal("the ledger is corrupt"))
}

fn clinic() -> (Dispatcher, Diary) {
    let diary = Diary::default();
    let clinic = Clinic { began: Instant::now(), diary: Arc::clone(&diary) };
    (Dispatcher::new(tools![look_up, write_down, give_up].with_state(clinic)), diary)
}

fn noted(diary: &Diary) -> Vec<(String, u64)> {
    diary.lock().unwrap().clone()
}

fn look(what: &str) -> (&'static str, Value) {
    ("look_up", json!({"what": what}))
}

fn kind(event: &AgentEvent) -> String {
    match event {
        AgentEvent::Asking { turn } => format!("asking {turn}"),
        AgentEvent::Text(text) => format!("text {text}"),
        AgentEvent::CallBegins { position, name } => format!("begins {position} {name}"),
        AgentEvent::Arguments { position, delta } => format!("arguments {position} {delta}"),
        AgentEvent::Call { position, call, .. } => format!("call {position} {}", call.id),
        AgentEvent::Calls(calls) => format!("calls {}", calls.len()),
        AgentEvent::Progress(progress) => format!("progress {} {}", progress.position, progress.message),
        AgentEvent::Result(result) => format!("result {}", result.position()),
        AgentEvent::Results(results) => format!("results {}", results.len()),
        AgentEvent::Usage(usage) => format!("usage {}", usage.total_tokens),
        AgentEvent::Reply(reply) => format!("reply {} {}", reply.text, reply.usage.total_tokens),
        other => format!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_everything_in_its_order() {
    let model = Scripted::new([calls(&[look("a")], 10), says("Done.")]);
    let (dispatcher, _) = clinic();
    let mut agent = Agent::new(model, "scripted").tools(dispatcher);
    let mut told = Vec::new();
    let mut stream = agent.stream("Go.");
    while let Some(event) = stream.next().await {
        told.push(kind(&event.unwrap()));
    }
    drop(stream);
    let expected = [
        "asking 1",
        "begins 0 look_up",
        r#"arguments 0 {"what":"a"}"#,
        "usage 15",
        "call 0 call_0",
        "calls 1",
        "progress 0 half way",
        "result 0",
        "results 1",
        "asking 2",
        "text Done.",
        "usage 15",
        "reply Done. 30",
    ];
    assert_eq!(told, expected);
    assert_eq!(agent.usage().total_tokens, 30);
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_before_the_message_is_over_unless_asked_for() {
    let (dispatcher, diary) = clinic();
    let model = Scripted::new([calls(&[look("a"), look("b")], 100), says("Done.")]);
    let mut stream_end = Agent::new(model, "scripted").tools(dispatcher);
    let mut stream = stream_end.stream("Go.");
    while stream.next().await.is_some() {}
    assert_eq!(noted(&diary), [("a".to_owned(), 200), ("b".to_owned(), 200)]);
}

#[tokio::test(start_paused = true)]
async fn read_only_calls_start_while_the_model_writes_the_next() {
    let (dispatcher, diary) = clinic();
    let began = Instant::now();
    let model = Scripted::new([calls(&[look("a"), look("b"), look("c")], 100), says("Done.")]);
    let mut agent = Agent::new(model.clone(), "scripted").tools(dispatcher).start(StartPolicy::CallEnd);
    agent.run("Go.").await.unwrap();
    assert_eq!(noted(&diary), [("a".to_owned(), 100), ("b".to_owned(), 200), ("c".to_owned(), 300)]);
    assert_eq!(began.elapsed(), Duration::from_millis(600));
    let messages = model.conversation();
    let contents: Vec<_> = (2..5).map(|message| messages[message]["content"].as_str().unwrap()).collect();
    assert_eq!(contents, ["found a", "found b", "found c"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_changes_something_waits_for_the_end_and_so_do_those_behind_it() {
    let (dispatcher, diary) = clinic();
    let writing = ("write_down", json!({"what": "b"}));
    let model = Scripted::new([calls(&[look("a"), writing, look("c")], 100), says("Done.")]);
    Agent::new(model, "scripted").tools(dispatcher).start(StartPolicy::CallEnd).run("Go.").await.unwrap();
    assert_eq!(noted(&diary), [("a".to_owned(), 100), ("b".to_owned(), 300), ("c".to_owned(), 300)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ran_stays_in_the_history_of_a_message_that_broke() {
    let (dispatcher, _) = clinic();
    let broken =
        [writes(0, "look_up", json!({"what": "a"}), 0), writes(1, "look_up", json!({"what": "b"}), 350), vec![Act::Break]].concat();
    let model = Scripted::new([broken, says("Done.")]);
    let mut agent = Agent::new(model.clone(), "scripted").tools(dispatcher).start(StartPolicy::CallEnd);
    let error = agent.run("Go.").await.unwrap_err();
    assert!(matches!(error, AgentError::Model { turn: 1, .. }), "{error:?}");

    assert_eq!(agent.resume().await.unwrap().text, "Done.");
    let messages = model.conversation();
    assert_eq!(messages[1]["tool_calls"].as_array().unwrap().len(), 2);
    assert_eq!(messages[2]["content"], "found a");
    assert!(messages[3]["content"].as_str().unwrap().contains("error"), "the second was stopped: {}", messages[3]);
    assert_eq!(messages.as_array().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_message_that_broke_is_in_the_history_if_nothing_had_started() {
    let (dispatcher, diary) = clinic();
    let broken = [writes(0, "look_up", json!({"what": "a"}), 0), vec![Act::Break]].concat();
    let mut agent = Agent::new(Scripted::new([broken]), "scripted").tools(dispatcher);
    let mut stream = agent.stream("Go.");
    let mut last = None;
    while let Some(event) = stream.next().await {
        last = Some(event);
    }
    drop(stream);
    assert!(matches!(last, Some(Err(AgentError::Model { .. }))));
    assert_eq!(agent.messages().len(), 1);
    assert_eq!(noted(&diary), []);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_call_that_ran_leaves_both_in_the_history() {
    let (dispatcher, _) = clinic();
    let refusal = ends(json!({"content": null, "refusal": "I will not."}), "stop");
    let refused = [writes(0, "look_up", json!({"what": "a"}), 0), vec![Act::Think(400), refusal]].concat();
    let model = Scripted::new([refused, says("Fine.")]);
    let mut agent = Agent::new(model.clone(), "scripted").tools(dispatcher).start(StartPolicy::CallEnd);
    let error = agent.run("Go.").await.unwrap_err();
    assert!(matches!(&error, AgentError::Refused { refusal } if refusal == "I will not."), "{error:?}");
    agent.run("Then this.").await.unwrap();
    let messages = model.conversation();
    let roles: Vec<_> = messages.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "assistant", "user"]);
    assert_eq!(messages[2]["content"], "found a");
}

#[tokio::test(start_paused = true)]
async fn a_call_cut_off_is_answered_and_never_runs() {
    let (dispatcher, diary) = clinic();
    let whole = call(0, "look_up", &json!({"what": "a"}));
    let cut = call(1, "look_up", &json!(r#"{"what": "b"#));
    let begun = vec![
        Act::Write(ModelEvent::CallBegins { position: 1, name: "look_up".to_owned() }),
        Act::Write(ModelEvent::Arguments { position: 1, delta: r#"{"what": "b"#.to_owned() }),
        ends(json!({"content": null, "tool_calls": [whole, cut]}), "length"),
    ];
    let cut_off = [writes(0, "look_up", json!({"what": "a"}), 0), begun].concat();
    let model = Scripted::new([cut_off, says("Done.")]);
    let results = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&results);
    let mut agent = Agent::new(model.clone(), "scripted").tools(dispatcher).start(StartPolicy::CallEnd).on_event(move |event| {
        if let AgentEvent::Results(results) = event {
            seen.lock().unwrap().extend(results.iter().map(|result| result.outcome().err().map(ToolError::code)));
        }
    });
    agent.run("Go.").await.unwrap();
    assert_eq!(*results.lock().unwrap(), [None, Some(ErrorCode::TruncatedCall)]);
    assert_eq!(noted(&diary).len(), 1);
    assert_eq!(model.conversation()[1]["tool_calls"][1]["function"]["arguments"], "{}");
}

#[tokio::test(start_paused = true)]
async fn a_call_written_on_after_it_ran_is_reported_as_its_result() {
    let (dispatcher, _) = clinic();
    let (first, second) = (call(0, "look_up", &json!({"what": "a"})), call(0, "look_up", &json!(r#"{"what":"a"}{"what":"b"}"#)));
    let written_on = vec![
        Act::Write(ModelEvent::CallBegins { position: 0, name: "look_up".to_owned() }),
        Act::Write(ModelEvent::CallComplete { position: 0, call: first }),
        Act::Think(10),
        Act::Write(ModelEvent::CallReopens { position: 0 }),
        ends(json!({"content": null, "tool_calls": [second]}), "tool_calls"),
    ];
    let model = Scripted::new([written_on, says("Done.")]);
    Agent::new(model.clone(), "scripted").tools(dispatcher).start(StartPolicy::CallEnd).run("Go.").await.unwrap();
    let content = model.conversation()[2]["content"].as_str().unwrap().to_owned();
    assert!(content.contains("before all of its arguments had been written"), "{content}");
}

#[tokio::test(start_paused = true)]
async fn a_run_stops_when_it_is_told_to_and_its_calls_are_answered() {
    let (dispatcher, _) = clinic();
    let model = Scripted::new([calls(&[look("a"), look("b")], 0), says("Done.")]);
    let stop = sleep(Duration::from_millis(100));
    let mut agent = Agent::new(model.clone(), "scripted").tools(dispatcher).stop_when(stop);
    assert!(matches!(agent.run("Go.").await, Err(AgentError::Stopped)));
    assert_eq!(agent.messages().len(), 4);

    assert_eq!(agent.resume().await.unwrap().text, "Done.");
    let messages = model.conversation();
    assert!(messages[2]["content"].as_str().unwrap().contains("error") && messages[3]["content"].as_str().unwrap().contains("error"));
}

#[tokio::test(start_paused = true)]
async fn each_call_that_was_stopped_is_told_once() {
    let (dispatcher, _) = clinic();
    let broken = [writes(0, "look_up", json!({"what": "a"}), 0), vec![Act::Think(10), Act::Break]].concat();
    let model = Scripted::new([calls(&[look("a"), ("write_down", json!({"what": "b"}))], 0), broken]);
    let mut agent = Agent::new(model, "scripted").tools(dispatcher).start(StartPolicy::CallEnd);
    agent = agent.stop_when(sleep(Duration::from_millis(100)));
    for expected in [vec!["result 1", "result 0", "results 2"], vec!["result 0", "results 1"]] {
        let mut told = Vec::new();
        let mut stream = agent.stream("Go.");
        while let Some(Ok(event)) = stream.next().await {
            told.push(kind(&event));
        }
        told.retain(|event| event.starts_with("result"));
        assert_eq!(told, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_hangs_is_left_when_the_run_is_told_to_stop() {
    let (dispatcher, _) = clinic();
    let mut agent = Agent::new(Scripted::new([vec![Act::Hang], vec![Act::Hang]]), "scripted").tools(dispatcher);
    agent = agent.stop_when(sleep(Duration::from_secs(3)));
    assert!(matches!(agent.run("Go.").await, Err(AgentError::Stopped)));
    assert_eq!(agent.messages().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_leaves_a_history_to_go_on_from() {
    let (dispatcher, _) = clinic();
    let model = Scripted::new([calls(&[look("a")], 10), says("Done.")]);
    let mut agent = Agent::new(model.clone(), "scripted").tools(dispatcher.clone()).start(StartPolicy::CallEnd);
    let mut stream = agent.stream("Go.");
    while !matches!(stream.next().await, Some(Ok(AgentEvent::Progress(_)))) {}
    drop(stream);
    dispatcher.idle().await;
    assert_eq!(agent.resume().await.unwrap().text, "Done.");
    assert_eq!(model.conversation().as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_goes_on_from_its_serialised_history() {
    let (dispatcher, _) = clinic();
    let first = Scripted::new([calls(&[look("a")], 0), says("Found it.")]);
    let mut agent = Agent::new(first, "scripted").tools(dispatcher.clone());
    agent.run("Go.").await.unwrap();
    let stored = serde_json::to_string(agent.messages()).unwrap();

    let second = Scripted::new([says("As I said.")]);
    let mut agent = Agent::new(second.clone(), "scripted").tools(dispatcher).history(serde_json::from_str(&stored).unwrap());
    agent.run("Again?").await.unwrap();
    let expected: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(second.conversation().as_array().unwrap()[..4], expected.as_array().unwrap()[..]);
}

#[tokio::test(start_paused = true)]
async fn a_history_that_no_service_would_take_is_repaired_and_told_of() {
    let (dispatcher, _) = clinic();
    let crashed: Vec<Message> = from_value(json!([
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": null, "tool_calls": [call(0, "look_up", &json!({"what": "a"})), call(1, "look_up", &json!({"what": "b"}))]},
        {"role": "tool", "tool_call_id": "call_1", "content": "found b"},
        {"role": "tool", "tool_call_id": "call_9", "content": "found nobody"},
    ]))
    .unwrap();
    let model = Scripted::new([says("Done.")]);
    let mut agent = Agent::new(model.clone(), "scripted").tools(dispatcher).history(crashed);
    let mut stream = agent.resume_stream();
    let first = stream.next().await;
    assert!(matches!(&first, Some(Ok(AgentEvent::HistoryRepaired(repairs))) if repairs.len() >= 2), "{first:?}");
    while stream.next().await.is_some() {}
    drop(stream);
    let messages = model.conversation();
    let ids: Vec<_> = (2..4).map(|message| messages[message]["tool_call_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["call_0", "call_1"]);
    assert_eq!(messages[3]["content"], "found b");
    assert_eq!(messages.as_array().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_of_an_early_call_ends_the_run_when_the_message_is_over() {
    let (dispatcher, diary) = clinic();
    let model = Scripted::new([calls(&[("give_up", json!({})), ("write_down", json!({"what": "a"}))], 10)]);
    let mut agent = Agent::new(model, "scripted").tools(dispatcher).start(StartPolicy::CallEnd);
    let error = agent.run("Go.").await.unwrap_err();
    assert!(matches!(&error, AgentError::Fatal { tool, .. } if tool == "give_up"), "{error:?}");
    assert_eq!(noted(&diary), [], "what had not started does not");
    assert_eq!(agent.messages().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_choice_of_tool_is_for_the_first_message_only() {
    let (dispatcher, _) = clinic();
    let model = Scripted::new([calls(&[look("a")], 0), says("Done."), says("Again.")]);
    let mut agent = Agent::new(model.clone(), "scripted").tools(dispatcher).tool_choice(ToolChoice::Required).parallel_tool_calls(true);
    agent.run("Go.").await.unwrap();
    agent.run("Go on.").await.unwrap();
    let requests = model.requests.lock().unwrap();
    let choices: Vec<_> = requests.iter().map(|request| to_value(request).unwrap()["tool_choice"].clone()).collect();
    assert_eq!(choices, [json!("required"), Value::Null, json!("required")]);
    assert!(requests.iter().all(|request| request.parallel_tool_calls == Some(true)));
}

#[tokio::test(start_paused = true)]
async fn a_botched_call_is_asked_for_again_but_not_for_ever() {
    let (dispatcher, _) = clinic();
    let model = Scripted::new([vec![Act::Botch], vec![Act::Botch], says("Done.")]);
    let mut agent = Agent::new(model.clone(), "scripted").tools(dispatcher.clone());
    assert_eq!(agent.run("Go.").await.unwrap().turns, 1);
    assert_eq!(model.requests.lock().unwrap().len(), 3);

    let mut agent = Agent::new(Scripted::new(vec![vec![Act::Botch]; 3]), "scripted").tools(dispatcher);
    let error = agent.run("Go.").await.unwrap_err();
    assert!(matches!(&error, AgentError::Model { turn: 1, source: ModelError::BrokenOff { .. } }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_botched_call_is_not_asked_for_again_once_another_has_started() {
    let (dispatcher, _) = clinic();
    let botched = [writes(0, "look_up", json!({"what": "a"}), 0), vec![Act::Think(1), Act::Botch]].concat();
    let model = Scripted::new([botched]);
    let mut agent = Agent::new(model.clone(), "scripted").tools(dispatcher).start(StartPolicy::CallEnd);
    assert!(matches!(agent.run("Go.").await, Err(AgentError::Model { .. })));
    assert_eq!(model.requests.lock().unwrap().len(), 1);
    assert_eq!(agent.messages().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_custom_tool_takes_free_text() {
    let (dispatcher, diary) = clinic();
    let call = json!({"id": "call_0", "type": "custom", "custom": {"name": "write_down", "input": "a \"b\""}});
    let model = Scripted::new([vec![ends(json!({"content": null, "tool_calls": [call.clone()]}), "tool_calls")], says("Done.")]);
    let mut agent = Agent::new(model.clone(), "scripted").tools(dispatcher.clone()).custom("write_down", TextFormat::Text);
    agent.run("Go.").await.unwrap();
    assert_eq!(noted(&diary)[0].0, "a \"b\"");
    let request = to_value(&model.requests.lock().unwrap()[0]).unwrap();
    assert_eq!((&request["tools"][0]["type"], &request["tools"][1]["custom"]["name"]), (&json!("function"), &json!("write_down")));
    assert_eq!(model.conversation()[1]["tool_calls"][0], call);

    let mut agent = Agent::new(Scripted::default(), "scripted").tools(dispatcher).custom("write", TextFormat::Text);
    let error = agent.run("Go.").await.unwrap_err();
    let AgentError::Tools(source) = error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "tool `write` cannot take free text: there is no such tool");
}

/// How long an agent takes with a message of so many calls, each of which has something to be told of.
async fn time_for(calls: usize) -> Duration {
    let wire = vec![json!({"function": {"name": "look_up", "arguments": "{}"}}); calls];
    let model = Scripted::new([vec![ends(json!({"content": null, "tool_calls": wire}), "tool_calls")], says("Done.")]);
    let repaired = Arc::new(Mutex::new(0));
    let count = Arc::clone(&repaired);
    let mut agent = Agent::new(model, "scripted").tools(clinic().0).on_event(move |event| {
        *count.lock().unwrap() += usize::from(matches!(event, AgentEvent::Call { repairs, .. } if repairs.len() == 1));
    });
    let start = std::time::Instant::now();
    agent.run("Go.").await.unwrap();
    assert_eq!(*repaired.lock().unwrap(), calls, "each was given an id");
    start.elapsed()
}

#[tokio::test]
async fn time_is_linear_in_the_calls_of_a_message() {
    let (short, long) = (time_for(3_000).await, time_for(30_000).await);
    assert!(long < short * 25 + Duration::from_millis(100), "{short:?} for 3,000, {long:?} for 30,000");
}

#[tokio::test]
async fn a_refusal_leaves_no_call_in_the_history() {
    let function = json!({"name": "look_up", "arguments": "{}"});
    let call = json!({"id": "a", "type": "function", "function": function});
    for key in [("tool_calls", json!([call])), ("function_call", function)] {
        let mut message = json!({"content": null, "refusal": "No."});
        message[key.0] = key.1;
        let mut agent = Agent::new(Scripted::new([vec![ends(message, "stop")]]), "scripted").tools(clinic().0);
        assert!(matches!(agent.run("Go.").await, Err(AgentError::Refused { .. })));
        let said = json!({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]});
        assert_eq!(to_value(agent.messages()).unwrap()[1], said);
    }
}

#[tokio::test]
async fn a_stream_that_is_never_polled_says_nothing() {
    let mut agent = Agent::new(Scripted::new([says("Hello.")]), "scripted");
    drop(agent.stream("Never mind."));
    assert_eq!(agent.messages(), []);
    assert_eq!(agent.run("Hello?").await.unwrap().text, "Hello.");
    assert_eq!(agent.messages().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn objects_in_one_call_are_calls_where_that_is_asked_for() {
    let (dispatcher, diary) = clinic();
    let two = call(0, "look_up", &json!(r#"{"what":"a"}{"what":"b"}"#));
    let model = Scripted::new([vec![ends(json!({"content": null, "tool_calls": [two]}), "tool_calls")], says("Done.")]);
    Agent::new(model.clone(), "scripted").tools(dispatcher).split(true).run("Go.").await.unwrap();
    assert_eq!(noted(&diary).len(), 2);
    assert_eq!(model.conversation()[1]["tool_calls"].as_array().unwrap().len(), 2);
}
