//! Whatever a service sends: what holds for every stream.

use super::*;

fn odd() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(7),
        json!(""),
        json!([]),
        json!([null]),
        json!({}),
        json!({"a": 1}),
    ])
}

/// A value that is as it should be, or anything.
fn mostly(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop_oneof![4 => value, 1 => odd()]
}

fn any_item(place: usize) -> impl Strategy<Value = Value> {
    let part = mostly(Just(json!({"type": "output_text", "text": "Hi"})));
    let parts = prop::collection::vec(part, 0..3).prop_map(Value::from);
    let message = (mostly(parts), mostly(Just(json!("completed")))).prop_map(
        |(content, status)| json!({"type": "message", "content": content, "status": status}),
    );
    let id = json!(format!("call_{place}"));
    let call = (
        prop::sample::select(vec!["function_call", "custom_tool_call"]),
        mostly(Just(id)),
        mostly(Just(json!("add"))),
        mostly(Just(json!("{\"a\":1}"))),
        mostly(Just(json!("completed"))),
    )
        .prop_map(|(kind, id, name, text, status)| {
            json!({"type": kind, "call_id": id, "name": name, "arguments": text, "input": text, "status": status})
        });
    let thought = odd()
        .prop_map(|secret| json!({"type": "reasoning", "id": "rs", "encrypted_content": secret}));
    mostly(prop_oneof![message, call, thought])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_whole_answer_tolerates_what_a_stream_tolerates(
        items in (any_item(0), any_item(1), any_item(2)),
        status in mostly(Just(json!("completed"))),
        usage in odd(),
    ) {
        let items = [items.0, items.1, items.2];
        let answer = json!({"id": "x", "status": status, "output": items, "usage": usage});
        let whole: Response = tool_core::serde_json::from_value(answer.clone()).unwrap();
        let whole = whole.check().unwrap();
        let last = json!({"type": "response.completed", "response": answer});
        let (_, at_once) = read([last.clone()]).unwrap();
        let each = items.iter().enumerate().map(|(index, item)| done(index as u64, item.clone()));
        let (_, one_by_one) = read(each.chain([last])).unwrap();
        for streamed in [at_once, one_by_one] {
            prop_assert_eq!(whole.text(), streamed.text());
            prop_assert_eq!(whole.tool_calls(), streamed.tool_calls());
            prop_assert_eq!(&whole.output, &streamed.output);
            prop_assert_eq!(&whole.usage, &streamed.usage);
        }
    }
}
