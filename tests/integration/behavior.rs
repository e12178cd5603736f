//! How calls behave is part of the definition, and what contradicts itself is refused.

use std::time::Duration;

use serde_json::json;
use tool_core::{
    Behavior, Dispatcher, DynamicTool, InvalidDefinitionError, Retry, Timeout, Tool,
    ToolDefinition, ToolError, tool, tools,
};

use crate::support::{calls, codes};

/// Say everything of it.
#[tool(
    timeout = "1500ms",
    concurrency = 4,
    exclusive,
    serialize_by(patient_id, r#type),
    read_only,
    idempotent,
    open_world = false,
    remote,
    retry(attempts = 5, backoff = "50ms", max_backoff = "2s"),
    strict,
    title = "Everything there is"
)]
async fn everything(#[arg(name = "patient")] patient_id: &str, r#type: Option<u32>) -> usize {
    patient_id.len() + usize::from(r#type.is_some())
}

/// Say nothing of it.
#[tool]
fn nothing() {}

/// Say the opposite.
#[tool(
    timeout = "none",
    destructive = true,
    read_only = false,
    idempotent,
    retry
)]
fn opposite() {}

#[test]
fn each_option_is_in_the_definition() {
    let tools = tools![everything, nothing, opposite];
    let behavior = |name| tools.definition(name).unwrap().behavior();
    let declared = behavior("everything");
    assert_eq!(
        declared.timeout,
        Timeout::After(Duration::from_millis(1500))
    );
    assert_eq!(declared.concurrency, Some(4));
    assert_eq!(declared.serialize_by, ["patient", "type"]); // as the model calls them
    assert!(declared.exclusive && declared.strict && declared.remote);
    let hints = (
        declared.read_only,
        declared.idempotent,
        declared.destructive,
    );
    assert_eq!(hints, (Some(true), Some(true), None));
    assert_eq!(declared.open_world, Some(false));
    let title = tools.definition("everything").unwrap().title();
    assert_eq!(title, Some("Everything there is"));
    let retry = declared.retry.unwrap();
    assert_eq!(
        (retry.attempts, retry.backoff, retry.max_backoff),
        (5, Duration::from_millis(50), Duration::from_secs(2))
    );

    assert_eq!(behavior("nothing"), &Behavior::default());
    assert_eq!(behavior("nothing").timeout, Timeout::Inherit);

    let opposite = behavior("opposite");
    assert_eq!(
        (opposite.timeout, opposite.retry),
        (Timeout::Never, Some(Retry::default()))
    );
    let hints = (
        opposite.read_only,
        opposite.idempotent,
        opposite.destructive,
    );
    assert_eq!(hints, (Some(false), Some(true), Some(true)));
    assert!(!opposite.exclusive && !opposite.strict && !opposite.remote);
}

fn definition() -> ToolDefinition {
    let schema = json!({"type": "object", "properties": {"patient": {"type": "string"}}});
    ToolDefinition::new("book", "Book a bed.", schema).unwrap()
}

fn dynamic() -> DynamicTool {
    let schema = json!({"type": "object", "properties": {"patient": {"type": "string"}}});
    DynamicTool::new("book", "Book a bed.", schema, |_| async {
        std::future::pending::<Result<u32, ToolError>>().await
    })
    .unwrap()
}

#[test]
fn a_run_time_tool_declares_behavior_the_same_way() {
    let declared = definition()
        .with_behavior(|behavior| {
            behavior.timeout = Timeout::After(Duration::from_secs(1));
            behavior.serialize_by = vec!["patient".to_owned()];
            behavior.idempotent = Some(true);
            behavior.retry = Some(Retry::default());
        })
        .unwrap();
    let more = declared
        .clone()
        .with_behavior(|behavior| behavior.exclusive = true)
        .unwrap();
    assert!(
        more.behavior().exclusive
            && more.behavior().is_repeatable()
            && !declared.behavior().exclusive
    );
    let tool = dynamic()
        .with_behavior(|behavior| behavior.destructive = Some(true))
        .unwrap();
    assert!(tool.definition().behavior().is_destructive());
}

#[test]
fn contradicting_options_are_refused_with_the_tools_name() {
    type Behave = fn(&mut Behavior);
    let cases: [(Behave, &str); 3] = [
        (
            |behavior| (behavior.read_only, behavior.destructive) = (Some(true), Some(true)),
            "the behavior of tool `book` contradicts itself: it cannot be both `read_only` and `destructive`",
        ),
        (
            |behavior| behavior.retry = Some(Retry::default()),
            "the behavior of tool `book` contradicts itself: a retry may repeat what a first attempt has done; \
             it must be `read_only` or `idempotent`",
        ),
        (
            |behavior| behavior.serialize_by = vec!["patient".to_owned(), "bed".to_owned()],
            "the behavior of tool `book` contradicts itself: `serialize_by` names `bed`, which its schema does not list",
        ),
    ];
    for (behave, expected) in cases {
        let error = definition().with_behavior(behave).unwrap_err();
        assert!(
            matches!(&error, InvalidDefinitionError::Behavior { name, .. } if name == "book"),
            "{error:?}"
        );
        assert_eq!(error.to_string(), expected);
        assert_eq!(dynamic().with_behavior(behave).unwrap_err(), error);
    }
    // Declared in two steps, it is the same.
    let read_only = definition()
        .with_behavior(|behavior| behavior.read_only = Some(true))
        .unwrap();
    assert!(
        read_only
            .with_behavior(|behavior| behavior.destructive = Some(true))
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_a_definition_is_kept() {
    let quick = dynamic()
        .with_behavior(|behavior| behavior.timeout = Timeout::After(Duration::from_millis(10)))
        .unwrap();
    let dispatcher = Dispatcher::new(tools![].with_tool(quick).unwrap()).with_timeout(None);
    let results = dispatcher.dispatch(calls([("book", "{}")])).await;
    assert_eq!(codes(&results), ["timeout"]);
    assert_eq!(results[0].elapsed(), Duration::from_millis(10));

    let patient = dynamic()
        .with_behavior(|behavior| behavior.timeout = Timeout::Never)
        .unwrap();
    let dispatcher = Dispatcher::new(tools![].with_tool(patient).unwrap())
        .with_timeout(Duration::from_millis(10));
    let waited = tokio::time::timeout(
        Duration::from_secs(3600),
        dispatcher.dispatch(calls([("book", "{}")])),
    )
    .await;
    assert!(waited.is_err());
}
