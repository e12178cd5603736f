use super::*;

#[test]
fn an_error_for_the_model_is_one_line() {
    let error = ToolError::from_error("first\n   second\tthird");
    assert_eq!(error.message_for_model(), "first second third");
}

#[test]
fn a_returned_tool_error_keeps_its_text() {
    let error = ToolError::returned(BoxError::from(ToolError::fatal("stop")));
    assert!(error.is_fatal());
    assert_eq!(error.of_tool("pay").to_string(), "tool `pay` failed");
}

#[test]
fn a_wrapped_tool_error_still_stops_the_run() {
    #[derive(Debug, thiserror::Error)]
    #[error("the payment failed")]
    struct Payment(#[source] ToolError);

    let error = ToolError::returned(BoxError::from(Payment(ToolError::fatal(
        "the ledger is corrupt",
    ))));
    assert!(error.is_fatal());
    assert_eq!(error.message_for_model(), "the payment failed");
}

#[test]
fn a_panic_is_for_the_operator() {
    let error = ToolError::panic("password is hunter2".into()).of_tool("login");
    assert!(!error.message_for_model().contains("hunter2"));
    assert_eq!(
        error.source().map(ToString::to_string).as_deref(),
        Some("password is hunter2")
    );
}

#[test]
fn a_chain_of_sources_without_an_end_is_cut() {
    #[derive(Debug)]
    struct Endless;
    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("again")
        }
    }
    impl Error for Endless {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&Endless)
        }
    }
    let error = ToolError::returned(BoxError::from(Endless));
    assert_eq!(error.message_for_model(), "again");
    let stored = serde_json::to_value(&error).unwrap();
    assert_eq!(
        stored["sources"].as_array().map(Vec::len),
        Some(MOST_SOURCES)
    );
}

#[test]
fn text_becomes_an_error_of_the_tool() {
    let error = ToolError::from("no\nbeds");
    assert_eq!(error.code(), ErrorCode::ToolError);
    assert_eq!(error.message_for_model(), "no beds");
    assert!(error.source().is_none());
    let error = ToolError::new(ErrorCode::LostIndeterminate, "the worker died".to_owned());
    assert_eq!(error.code(), ErrorCode::LostIndeterminate);
}
