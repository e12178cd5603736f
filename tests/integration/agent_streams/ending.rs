//! Messages that end early, and the history after them.

use super::*;
use tool_openai::Profile;
use tool_openai::testing::{ScriptedReply, ScriptedServer};

#[tokio::test(start_paused = true)]
async fn a_call_that_ran_stays_in_history_when_its_message_breaks() {
    let (dispatcher, _) = clinic();
    let broken = [
        writes(0, "look_up", json!({"what": "a"}), 0),
        writes(1, "look_up", json!({"what": "b"}), 350),
        vec![Act::Break],
    ]
    .concat();
    let model = Scripted::new([broken, says("Done.")]);
    let agent = Agent::new(model.clone(), "scripted")
        .with_tools(dispatcher)
        .with_start_policy(StartPolicy::CallEnd)
        .conversation();
    let error = agent.run("Go.").await.unwrap_err();
    assert!(
        matches!(error, AgentError::Model { turn: 1, .. }),
        "{error:?}"
    );

    assert_eq!(agent.resume().await.unwrap().text, "Done.");
    let messages = model.conversation();
    assert_eq!(messages[1]["tool_calls"].as_array().unwrap().len(), 2);
    assert_eq!(messages[2]["content"], "found a");
    assert!(
        messages[3]["content"].as_str().unwrap().contains("error"),
        "the second was stopped: {}",
        messages[3]
    );
    assert_eq!(messages.as_array().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_broken_message_without_started_calls_is_not_in_the_history() {
    let (dispatcher, run_log) = clinic();
    let broken = [
        writes(0, "look_up", json!({"what": "a"}), 0),
        vec![Act::Break],
    ]
    .concat();
    let agent = Agent::new(Scripted::new([broken]), "scripted")
        .with_tools(dispatcher)
        .conversation();
    let mut stream = agent.stream("Go.");
    let mut last = None;
    while let Some(event) = stream.next().await {
        last = Some(event);
    }
    drop(stream);
    assert!(matches!(last, Some(Err(AgentError::Model { .. }))));
    assert_eq!(agent.messages().len(), 1);
    assert_eq!(noted(&run_log), []);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_call_that_ran_leaves_both_in_the_history() {
    let (dispatcher, _) = clinic();
    let refusal = ends(json!({"content": null, "refusal": "I will not."}), "stop");
    let refused = [
        writes(0, "look_up", json!({"what": "a"}), 0),
        vec![Act::Think(400), refusal],
    ]
    .concat();
    let model = Scripted::new([refused, says("Fine.")]);
    let agent = Agent::new(model.clone(), "scripted")
        .with_tools(dispatcher)
        .with_start_policy(StartPolicy::CallEnd)
        .conversation();
    let error = agent.run("Go.").await.unwrap_err();
    assert!(
        matches!(&error, AgentError::Refused { refusal } if refusal == "I will not."),
        "{error:?}"
    );
    agent.run("Then this.").await.unwrap();
    let messages = model.conversation();
    let roles: Vec<_> = messages
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["user", "assistant", "tool", "assistant", "user"]);
    assert_eq!(messages[2]["content"], "found a");
}

#[tokio::test(start_paused = true)]
async fn a_call_cut_off_is_answered_and_never_runs() {
    let (dispatcher, run_log) = clinic();
    let whole = call(0, "look_up", &json!({"what": "a"}));
    let cut = call(1, "look_up", &json!(r#"{"what": "b"#));
    let begun = vec![
        Act::Write(ModelEvent::ToolCallStarted {
            position: 1,
            name: "look_up".to_owned(),
        }),
        Act::Write(ModelEvent::ToolCallDelta {
            position: 1,
            delta: r#"{"what": "b"#.to_owned(),
        }),
        ends(
            json!({"content": null, "tool_calls": [whole, cut]}),
            "length",
        ),
    ];
    let cut_off = [writes(0, "look_up", json!({"what": "a"}), 0), begun].concat();
    let model = Scripted::new([cut_off, says("Done.")]);
    let results = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&results);
    let agent = Agent::new(model.clone(), "scripted")
        .with_tools(dispatcher)
        .with_start_policy(StartPolicy::CallEnd)
        .with_on_event(move |event| {
            if let AgentEvent::Results(results) = event {
                seen.lock().unwrap().extend(
                    results
                        .iter()
                        .map(|result| result.outcome().err().map(ToolError::code)),
                );
            }
        })
        .conversation();
    agent.run("Go.").await.unwrap();
    assert_eq!(
        *results.lock().unwrap(),
        [None, Some(ErrorCode::TruncatedCall)]
    );
    assert_eq!(noted(&run_log).len(), 1);
    assert_eq!(
        model.conversation()[1]["tool_calls"][1]["function"]["arguments"],
        "{}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_ends_with_its_calls_answered() {
    let (dispatcher, _) = clinic();
    let model = Scripted::new([calls(&[look("a"), look("b")], 0), says("Done.")]);
    let mut agent = Agent::new(model.clone(), "scripted")
        .with_tools(dispatcher)
        .with_cancellation(cancelled_after(100))
        .conversation();
    assert!(matches!(agent.run("Go.").await, Err(AgentError::Cancelled)));
    assert_eq!(agent.messages().len(), 4);

    agent = agent.with_cancellation(CancellationToken::new());
    assert_eq!(agent.resume().await.unwrap().text, "Done.");
    let messages = model.conversation();
    assert!(
        messages[2]["content"].as_str().unwrap().contains("error")
            && messages[3]["content"].as_str().unwrap().contains("error")
    );
}

#[tokio::test(start_paused = true)]
async fn a_model_that_hangs_is_left_when_the_run_is_cancelled() {
    let (dispatcher, _) = clinic();
    let mut agent = Agent::new(
        Scripted::new([vec![Act::Hang], vec![Act::Hang]]),
        "scripted",
    )
    .with_tools(dispatcher)
    .conversation();
    agent = agent.with_cancellation(cancelled_after(3_000));
    assert!(matches!(agent.run("Go.").await, Err(AgentError::Cancelled)));
    assert_eq!(agent.messages().len(), 1);
}

#[tokio::test]
async fn a_token_that_is_cancelled_ends_a_run_before_it_asks() {
    let model = Scripted::new([says("Hello.")]);
    let token = CancellationToken::new();
    token.cancel();
    let mut agent = Agent::new(model.clone(), "scripted")
        .with_cancellation(token)
        .conversation();
    for _ in 0..2 {
        assert!(matches!(agent.run("Go.").await, Err(AgentError::Cancelled)));
        let events: Vec<_> = agent.stream("Go.").collect().await;
        assert!(matches!(events[..], [Err(AgentError::Cancelled)]));
    }
    assert_eq!(agent.messages().len(), 4);
    assert!(model.requests.lock().unwrap().is_empty());

    agent = agent.with_cancellation(CancellationToken::new());
    assert_eq!(agent.resume().await.unwrap().text, "Hello.");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_leaves_a_usable_history() {
    let (dispatcher, _) = clinic();
    let model = Scripted::new([calls(&[look("a")], 10), says("Done.")]);
    let agent = Agent::new(model.clone(), "scripted")
        .with_tools(dispatcher.clone())
        .with_start_policy(StartPolicy::CallEnd)
        .conversation();
    let mut stream = agent.stream("Go.");
    while !matches!(stream.next().await, Some(Ok(AgentEvent::Progress(_)))) {}
    drop(stream);
    assert_eq!(agent.messages().len(), 3, "before anything is awaited");
    dispatcher.idle().await;
    assert_eq!(agent.resume().await.unwrap().text, "Done.");
    let conversation = model.conversation();
    let result = conversation[2]["content"].as_str().unwrap();
    assert!(result.contains("cancelled"), "{conversation}");
}

/// A stream is dropped at any event: no tool still runs, every call in the history is answered, and
/// the next run works.
#[tokio::test(start_paused = true)]
async fn a_stream_can_be_dropped_at_every_event() {
    for policy in [StartPolicy::StreamEnd, StartPolicy::CallEnd] {
        for events in 0.. {
            let (dispatcher, run_log) = clinic();
            let model = Scripted::new([
                calls(&[look("a"), look("b")], 10),
                calls(&[look("c"), ("write_down", json!({"what": "d"}))], 10),
                says("Done."),
                says("Over."),
            ]);
            let conversation = Agent::new(model.clone(), "scripted")
                .with_tools(dispatcher.clone())
                .with_start_policy(policy)
                .conversation();
            let mut stream = conversation.stream("Go.");
            let mut seen = 0;
            while seen < events && stream.next().await.is_some() {
                seen += 1;
            }
            drop(stream);
            let stored = conversation.messages();
            assert_eq!(chat::repair(&mut stored.clone()), [], "{stored:?}");
            timeout(Duration::from_millis(1), dispatcher.idle())
                .await
                .unwrap();
            let ran = noted(&run_log).len();
            sleep(Duration::from_secs(10)).await;
            assert_eq!(noted(&run_log).len(), ran, "nothing runs on");
            model.turns.lock().unwrap().push_front(says("Well."));
            conversation.run("Again.").await.unwrap();
            if seen < events {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_continues_from_its_serialised_history() {
    let (dispatcher, _) = clinic();
    let first = Scripted::new([calls(&[look("a")], 0), says("Found it.")]);
    let agent = Agent::new(first, "scripted")
        .with_tools(dispatcher.clone())
        .conversation();
    agent.run("Go.").await.unwrap();
    let stored = serde_json::to_string(&agent.messages()).unwrap();

    let second = Scripted::new([says("As I said.")]);
    let agent = Agent::new(second.clone(), "scripted")
        .with_tools(dispatcher)
        .conversation_from(serde_json::from_str::<Vec<Message>>(&stored).unwrap());
    agent.run("Again?").await.unwrap();
    let expected: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(
        second.conversation().as_array().unwrap()[..4],
        expected.as_array().unwrap()[..]
    );
}

#[tokio::test(start_paused = true)]
async fn an_invalid_history_is_repaired_and_reported() {
    let (dispatcher, _) = clinic();
    let crashed: Vec<Message> = from_value(json!([
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": null, "tool_calls": [call(0, "look_up", &json!({"what": "a"})), call(1, "look_up", &json!({"what": "b"}))]},
        {"role": "tool", "tool_call_id": "call_1", "content": "found b"},
        {"role": "tool", "tool_call_id": "call_9", "content": "found nobody"},
    ]))
    .unwrap();
    let model = Scripted::new([says("Done.")]);
    let agent = Agent::new(model.clone(), "scripted")
        .with_tools(dispatcher)
        .conversation_from(crashed);
    let mut stream = agent.resume_stream();
    let first = stream.next().await;
    assert!(
        matches!(&first, Some(Ok(AgentEvent::HistoryRepaired(repairs))) if repairs.len() >= 2),
        "{first:?}"
    );
    while stream.next().await.is_some() {}
    drop(stream);
    let messages = model.conversation();
    let ids: Vec<_> = (2..4)
        .map(|message| messages[message]["tool_call_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["call_0", "call_1"]);
    assert_eq!(messages[3]["content"], "found b");
    assert_eq!(messages.as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_refusal_leaves_no_call_in_the_history() {
    let function = json!({"name": "look_up", "arguments": "{}"});
    let call = json!({"id": "a", "type": "function", "function": function});
    for key in [("tool_calls", json!([call])), ("function_call", function)] {
        let mut message = json!({"content": null, "refusal": "No."});
        message[key.0] = key.1;
        let agent = Agent::new(Scripted::new([vec![ends(message, "stop")]]), "scripted")
            .with_tools(clinic().0)
            .conversation();
        assert!(matches!(
            agent.run("Go.").await,
            Err(AgentError::Refused { .. })
        ));
        let refusal_message =
            json!({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]});
        assert_eq!(to_value(agent.messages()).unwrap()[1], refusal_message);
    }
}

/// Services with reasoning need it back beside the calls.
#[tokio::test]
async fn what_the_model_thought_stays_beside_a_call_that_ran() {
    let chunk =
        |delta: Value| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let piece = |index: u8, rest: Value| {
        let mut piece = json!({"index": index});
        piece
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        chunk(json!({"tool_calls": [piece]}))
    };
    let thought = json!({"type": "reasoning.encrypted", "id": "rs_1", "data": "SIG", "index": 0});
    let events = [
        chunk(json!({"role": "assistant", "reasoning_content": "Look up "})),
        chunk(json!({"reasoning_content": "both.", "reasoning_details": [thought]})),
        piece(
            0,
            json!({"id": "a", "function": {"name": "look_up", "arguments": "{\"what\":\"a\"}"}}),
        ),
        piece(
            1,
            json!({"id": "b", "function": {"name": "look_up", "arguments": "{\"wh"}}),
        ),
        json!({"error": {"code": 502, "message": "upstream gone"}}),
    ];
    let body: String = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    let server = ScriptedServer::start([ScriptedReply::sse(body)])
        .await
        .unwrap();
    let (dispatcher, _) = clinic();
    let agent = Agent::new(server.client().unwrap().with_retries(0), "m")
        .with_tools(dispatcher)
        .with_start_policy(StartPolicy::CallEnd)
        .conversation();
    let mut stream = agent.stream("Go.");
    while stream.next().await.is_some() {}
    drop(stream);
    let kept = to_value(agent.messages()).unwrap();
    assert_eq!(kept[1]["tool_calls"][0]["id"], "a");
    assert_eq!(kept[1]["reasoning_content"], "Look up both.");
    assert_eq!(kept[1]["reasoning_details"], json!([thought]));
}

/// Some services refuse a user behind results.
#[tokio::test]
async fn a_user_never_follows_results_where_roles_must_alternate() {
    for (profile, expected) in [
        (
            Profile::portable(),
            vec!["user", "assistant", "tool", "user"],
        ),
        (
            Profile::portable().with_alternating_roles(),
            vec!["user", "assistant", "tool", "assistant", "user"],
        ),
    ] {
        let replies = [
            ScriptedReply::calls([("look_up", json!({"what": "a"}))]),
            ScriptedReply::text("Done."),
        ];
        let server = ScriptedServer::start(replies).await.unwrap();
        let (dispatcher, _) = clinic();
        let agent = Agent::new(server.client().unwrap(), "m")
            .with_tools(dispatcher)
            .with_profile(profile)
            .with_max_turns(1)
            .conversation();
        assert!(matches!(
            agent.run("Go.").await,
            Err(AgentError::TurnLimit { .. })
        ));
        agent.run("And now?").await.unwrap();
        let roles: Vec<_> = server.requests()[1]["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["role"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(roles, expected);
    }
}
