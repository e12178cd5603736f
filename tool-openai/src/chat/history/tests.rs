use super::*;
use crate::chat::replace_ids;
use crate::profile::Profile;
use crate::testing::check_request;
use proptest::prelude::*;
use tool_core::serde_json::{Value, from_value, json, to_value};

fn call(id: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "add", "arguments": "{}"}})
}

fn asks(ids: &[&str]) -> Value {
    json!({"role": "assistant", "content": null, "tool_calls": ids.iter().map(|id| call(id)).collect::<Vec<_>>()})
}

fn result(id: &str, content: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": content})
}

fn interrupted(id: &str) -> Value {
    let content =
        r#"{"error":"the call was interrupted; whether it took effect is not known","tool":"add"}"#;
    result(id, content)
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

/// The conversation, repaired, and the reported changes.
fn repaired(messages: Value) -> (Value, Vec<String>) {
    let mut messages: Vec<Message> = from_value(messages).unwrap();
    let repairs = repair(&mut messages);
    (
        to_value(messages).unwrap(),
        repairs.iter().map(HistoryRepair::to_string).collect(),
    )
}

fn becomes(messages: Value, expected: Value, notes: &[&str]) {
    let (messages, repairs) = repaired(messages);
    assert_eq!(messages, expected);
    assert_eq!(repairs, notes);
    assert_eq!(
        check_request(&json!({"model": "m", "messages": messages})),
        Ok(())
    );
    assert_eq!(repaired(messages.clone()), (messages, Vec::new()));
}

#[test]
fn a_valid_conversation_is_not_changed() {
    let valid = json!([
        {"role": "system", "content": "Be brief."}, user("hi"), asks(&["a", "b"]), result("a", "1"), result("b", "2"),
        {"role": "assistant", "content": "", "reasoning_content": "hm", "tool_calls": [call("a")]}, result("a", "3"),
        {"role": "assistant", "content": null, "function_call": {"name": "now", "arguments": "{}"}},
        {"role": "function", "name": "now", "content": "noon"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "run", "input": "x"}}]},
        result("c", "4"), {"role": "developer", "content": "Continue."},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
    ]);
    assert_eq!(repaired(valid.clone()), (valid, Vec::new()));
}

#[test]
fn a_call_without_a_result_is_reported_as_interrupted() {
    becomes(
        json!([user("hi"), asks(&["a", "b"]), result("b", "2")]),
        json!([
            user("hi"),
            asks(&["a", "b"]),
            interrupted("a"),
            result("b", "2")
        ]),
        &["message 1: call `a` had no result; it is reported as interrupted"],
    );
    let function = json!({"role": "assistant", "content": null, "function_call": {"name": "add", "arguments": "{}"}});
    let answer = json!({"role": "function", "name": "add", "content": interrupted("")["content"]});
    becomes(
        json!([function, user("hi")]),
        json!([function, answer, user("hi")]),
        &["message 0: call `add` had no result; it is reported as interrupted"],
    );
}

#[test]
fn a_result_without_a_call_is_removed() {
    let removed = |at: usize, id: &str| {
        format!("message {at}: result of `{id}` removed; no call before it is without one")
    };
    becomes(
        json!([result("a", "early"), asks(&["a"]), result("a", "1"), result("a", "again"), result("x", "?"), {"role": "function", "name": "f", "content": ""}]),
        json!([asks(&["a"]), result("a", "1")]),
        &[
            &removed(0, "a"),
            &removed(3, "a"),
            &removed(4, "x"),
            &removed(5, "f"),
        ],
    );
}

#[test]
fn a_misplaced_result_moves_to_its_call() {
    becomes(
        json!([
            asks(&["a", "b"]),
            user("wait"),
            result("a", "1"),
            asks(&["c"]),
            result("c", "3"),
            result("b", "2")
        ]),
        json!([
            asks(&["a", "b"]),
            result("a", "1"),
            result("b", "2"),
            user("wait"),
            asks(&["c"]),
            result("c", "3")
        ]),
        &[
            "message 2: result of `a` moved to its call",
            "message 5: result of `b` moved to its call",
        ],
    );
}

#[test]
fn results_are_in_call_order() {
    becomes(
        json!([
            asks(&["a", "b", "c"]),
            result("b", "2"),
            result("c", "3"),
            result("a", "1")
        ]),
        json!([
            asks(&["a", "b", "c"]),
            result("a", "1"),
            result("b", "2"),
            result("c", "3")
        ]),
        &[
            "message 1: result of `b` moved to its call",
            "message 2: result of `c` moved to its call",
        ],
    );
}

#[test]
fn a_result_belongs_to_the_latest_call_of_its_id() {
    becomes(
        json!([asks(&["a"]), asks(&["a"]), result("a", "2")]),
        json!([
            asks(&["a"]),
            interrupted("a"),
            asks(&["a"]),
            result("a", "2")
        ]),
        &["message 0: call `a` had no result; it is reported as interrupted"],
    );
}

#[test]
fn missing_or_repeated_ids_are_replaced_in_call_and_result() {
    let ids = [
        "a",
        "call_000000000000000000000001",
        "call_000000000000000000000002",
    ];
    becomes(
        json!([asks(&["a", "a", ""]), result("a", "1"), result("a", "2"), {"role": "tool", "content": "3"}]),
        json!([
            asks(&ids),
            result(ids[0], "1"),
            result(ids[1], "2"),
            result(ids[2], "3"),
        ]),
        &["message 0: id `a` replaced", "message 0: id `` replaced"],
    );
    // Some services write more into an id, and need it back.
    let long = "x".repeat(400);
    let as_it_came = json!([asks(&[&long]), result(&long, "1")]);
    assert_eq!(repaired(as_it_came.clone()), (as_it_came, Vec::new()));
}

#[test]
fn names_and_arguments_get_a_valid_form() {
    let broken = json!({"role": "assistant", "tool_calls": [
        {"id": "a", "index": 0, "function": {"name": "functions.add", "arguments": "{\"cut"}, "custom": {"name": "", "input": ""}},
    ]});
    let expected = json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "functions_add", "arguments": "{}"}},
    ]});
    becomes(
        json!([broken, result("a", "1")]),
        json!([expected, result("a", "1")]),
        &[
            "message 0: name `functions.add` changed to one that services accept",
            "message 0: arguments that were not an object replaced by `{}`",
            "message 0: keys left out that services do not take",
        ],
    );
    let function = |name: &str| json!({"role": "assistant", "content": null, "function_call": {"name": name, "arguments": "{}"}});
    let answer = |name: &str| json!({"role": "function", "name": name, "content": "1"});
    let changed =
        |at: usize| format!("message {at}: name `f.x` changed to one that services accept");
    becomes(
        json!([function("f.x"), answer("f.x")]),
        json!([function("f_x"), answer("f_x")]),
        &[&changed(0), &changed(1)],
    );
}

#[test]
fn a_call_is_of_one_kind() {
    let notes = "message 0: keys left out that services do not take";
    for (key, value) in [
        ("custom", json!({"name": "", "input": ""})),
        ("index", json!(0)),
        ("type", json!("tool")),
    ] {
        let mut odd = asks(&["a"]);
        odd["tool_calls"][0][key] = value;
        becomes(
            json!([odd, result("a", "1")]),
            json!([asks(&["a"]), result("a", "1")]),
            &[notes],
        );
    }
    let custom = json!({"id": "a", "type": "custom", "custom": {"name": "run", "input": ""}});
    let asks = |call: &Value| json!({"role": "assistant", "content": null, "tool_calls": [call]});
    for (key, value) in [("function", json!({"name": "x"})), ("index", json!(0))] {
        let mut odd = custom.clone();
        odd[key] = value;
        becomes(
            json!([asks(&odd), result("a", "1")]),
            json!([asks(&custom), result("a", "1")]),
            &[notes],
        );
    }
}

#[test]
fn an_empty_message_is_removed() {
    let removed = |at: usize| format!("message {at}: removed; it was empty");
    becomes(
        json!([
            {"role": "assistant", "content": null, "tool_calls": []}, {"role": "assistant", "content": ""}, {"role": "assistant", "content": []},
            {"role": "user"}, {"role": "user", "content": null}, {"role": "developer"}, user("hi"),
        ]),
        json!([user("hi")]),
        &[
            &removed(0),
            &removed(1),
            &removed(2),
            &removed(3),
            &removed(4),
            &removed(5),
        ],
    );
}

#[test]
fn content_gets_the_form_that_services_take() {
    let parts = json!([{"type": "text", "text": "a"}, {"text": "b"}, "c", 1]);
    let typed = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, {"type": "text", "text": "c"}, {"type": "text", "text": "1"}]);
    let changed =
        |at: usize| format!("message {at}: content written in the form that services accept");
    let tool = |content: Value| json!({"role": "tool", "tool_call_id": "a", "content": content});
    becomes(
        json!([{"role": "user", "content": parts}, {"role": "user", "content": {"x": 1}}, {"role": "assistant", "refusal": "No."}]),
        json!([{"role": "user", "content": typed}, user("{\"x\":1}"), {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}]),
        &[&changed(0), &changed(1), &changed(2)],
    );
    let asked = |content: Value| json!({"role": "assistant", "content": content, "tool_calls": [call("a")]});
    becomes(
        json!([asked(json!([])), result("a", "1")]),
        json!([asked(Value::Null), result("a", "1")]),
        &[&changed(0)],
    );
    for (content, expected) in [
        (json!([{"type": "text", "text": "a"}, {"text": "b"}]), "ab"),
        (json!({"x": 1}), "{\"x\":1}"),
        (json!(["a"]), "[\"a\"]"),
        (Value::Null, ""),
    ] {
        becomes(
            json!([asks(&["a"]), tool(content)]),
            json!([asks(&["a"]), result("a", expected)]),
            &[&changed(1)],
        );
    }
}

#[test]
fn images_in_results_are_moved_behind_them() {
    let image = json!({"type": "image_url", "image_url": {"url": "data:x"}});
    let text = |text: &str| json!({"type": "text", "text": text});
    let tool =
        |id: &str, content: Value| json!({"role": "tool", "tool_call_id": id, "content": content});
    let changed =
        |at: usize| format!("message {at}: content written in the form that services accept");
    becomes(
        json!([
            asks(&["a", "b"]),
            tool("a", json!([text("A cat:"), image])),
            tool("b", json!([image])),
            user("Which?"),
        ]),
        json!([
            asks(&["a", "b"]),
            result("a", "A cat:\n[image 1, shown behind the results]"),
            result("b", "[image 2, shown behind the results]"),
            {"role": "user", "content": [
                text("Image 1, from the result of call `a` of `add`:"), image,
                text("Image 2, from the result of call `b` of `add`:"), image,
            ]},
            user("Which?"),
        ]),
        &[&changed(1), &changed(2)],
    );
}

#[test]
fn fields_of_another_role_are_kept_if_possible() {
    becomes(
        json!([{"role": "assistant", "content": "hi", "refusal": 1, "tool_calls": ["x", call("a"), {"id": 1}], "function_call": "x"}, result("a", "1")]),
        json!([{"role": "assistant", "content": "hi", "tool_calls": [call("a")]}, result("a", "1")]),
        &["message 0: keys left out that services do not take"],
    );
}

/// A message as it might be in a file, more or less.
fn message() -> impl Strategy<Value = Value> {
    let id = || {
        prop::sample::select(vec![
            "",
            "a",
            "b",
            "call_000000000000000000000001",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ])
    };
    let name = || prop::sample::select(vec!["add", "functions.add", "", "é"]);
    let content = || {
        prop_oneof![
            Just(json!("hi")),
            Just(json!("")),
            Just(Value::Null),
            Just(json!([])),
            Just(json!(["a", {"text": "b"}, {"type": "text", "text": "c"}])),
            Just(json!(1)),
            Just(json!({"x": [1]})),
            Just(json!(["a", {"type": "image_url", "image_url": {"url": "data:x"}}])),
            Just(json!([{"type": "image_url", "image_url": "data:x"}])),
        ]
    };
    let arguments = || {
        prop::sample::select(vec![
            json!("{}"),
            json!("{\"a\": 1}"),
            json!("{\"a"),
            json!("[]"),
            Value::Null,
            json!({"a": 1}),
        ])
    };
    let function = move || {
        (name(), arguments())
            .prop_map(|(name, arguments)| json!({"name": name, "arguments": arguments}))
    };
    let custom = move || name().prop_map(|name| json!({"name": name, "input": "x"}));
    let call = prop_oneof![
        (id(), function()).prop_map(|(id, function)| json!({"id": id, "type": "function", "function": function})),
        (id(), function(), custom())
            .prop_map(|(id, function, custom)| json!({"id": id, "index": 1, "function": function, "custom": custom})),
        (id(), custom()).prop_map(|(id, custom)| json!({"id": id, "type": "custom", "custom": custom})),
        Just(json!({"type": "odd"})),
        Just(json!(7)),
    ];
    let calls = prop::collection::vec(call, 0..4);
    prop_oneof![
        2 => (prop::sample::select(vec!["user", "system", "developer"]), content()).prop_map(|(role, content)| json!({"role": role, "content": content})),
        2 => (content(), calls).prop_map(|(content, calls)| json!({"role": "assistant", "content": content, "tool_calls": calls})),
        1 => (content(), function()).prop_map(|(content, function)| json!({"role": "assistant", "content": content, "function_call": function})),
        1 => Just(json!({"role": "assistant", "refusal": "No.", "annotations": []})),
        1 => Just(json!({"role": "user"})),
        4 => (id(), content()).prop_map(|(id, content)| json!({"role": "tool", "tool_call_id": id, "content": content})),
        1 => (name(), content()).prop_map(|(name, content)| json!({"role": "function", "name": name, "content": content})),
        1 => Just(json!({"role": "tool"})),
    ]
}

fn content_of_a_message() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!("hi"),
        json!([{"type": "text", "text": "hi"}]),
        json!(""),
    ])
}

/// Calls, and their results.
fn turn() -> impl Strategy<Value = Vec<Value>> {
    let content = prop_oneof![content_of_a_message(), Just(Value::Null)];
    (content, 1..5_usize).prop_map(|(content, calls)| {
        let ids: Vec<String> = (0..calls).map(|n| format!("call_{n}")).collect();
        let calls: Vec<Value> = ids.iter().map(|id| call(id)).collect();
        let asked = json!({"role": "assistant", "content": content, "tool_calls": calls});
        std::iter::once(asked)
            .chain(ids.iter().map(|id| result(id, "1")))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_conversation_becomes_valid(messages in prop::collection::vec(message(), 0..10)) {
        let given: Vec<Message> = from_value(json!(messages)).unwrap();
        let mut repaired = given.clone();
        let repairs = repair(&mut repaired);
        prop_assert!(repairs.is_sorted_by_key(|repair| repair.message) && repairs.iter().all(|repair| repair.message < given.len()));
        prop_assert_eq!(repairs.is_empty(), repaired == given, "{:?}", repairs);
        if !repaired.is_empty() {
            let mut sent = repaired.clone();
            let profile = Profile::openai();
            replace_ids(&mut sent, 0, &profile, |id| profile.takes_id(id));
            let checked = check_request(&json!({"model": "m", "messages": sent}));
            prop_assert!(checked.is_ok(), "{:?}: {}", checked, to_value(&repaired).unwrap());
        }
        let again = repaired.clone();
        prop_assert_eq!((repair(&mut repaired), &repaired), (vec![], &again));
        let asked = repaired.iter().map(|message| if let Message::Assistant(message) = message { message.tool_calls.len() } else { 0 });
        let answers = repaired.iter().filter(|message| matches!(message, Message::Tool(_)));
        prop_assert_eq!(answers.count(), asked.sum::<usize>());
    }

    #[test]
    fn no_valid_conversation_is_changed(turns in prop::collection::vec((turn(), content_of_a_message()), 0..5)) {
        let messages: Vec<Value> = turns.into_iter().flat_map(|(turn, content)| turn.into_iter().chain([json!({"role": "user", "content": content})])).collect();
        if !messages.is_empty() {
            prop_assert_eq!(check_request(&json!({"model": "m", "messages": messages})), Ok(()));
        }
        prop_assert_eq!(repaired(json!(messages)), (json!(messages), vec![]));
    }
}
