use tool_core::{Dispatcher, Provide, ToolSet, tool, tools};

/// Count the beds.
#[tool]
async fn count_beds(#[state] beds: &u32) -> u32 {
    *beds
}

/// Count the wards.
#[tool]
async fn count_wards() -> u32 {
    3
}

fn ready() -> ToolSet {
    tools![count_wards]
}

fn of_beds() -> ToolSet<u32> {
    tools![count_beds, count_wards]
}

fn of_any<S: Provide<u32> + Send + Sync + 'static>() -> ToolSet<S> {
    tools![count_beds]
}

fn empty() -> ToolSet {
    tools![]
}

#[test]
fn is_accepted() {
    assert_eq!(ready().len(), 1);
    assert_eq!(of_beds().with_state(12).len(), 2);
    assert_eq!(
        of_any::<std::sync::Arc<u32>>().with_state(12.into()).len(),
        1
    );
    assert!(empty().is_empty());
    assert_eq!(Dispatcher::new(tools![count_wards]).tools().len(), 1);
}
