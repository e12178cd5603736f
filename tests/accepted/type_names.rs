use tool_core::{tool, tools};

mod search {
    pub fn index() -> u32 {
        1
    }
}

/// Search, where a module has the name.
#[tool(type = SearchTool)]
async fn search(query: &str) -> usize {
    query.len() + search::index() as usize
}

mod other {
    use tool_core::tool;

    #[allow(non_camel_case_types)]
    pub struct count(pub u32);

    /// Count, where a type has the name.
    #[tool(type = Count, name = "count")]
    pub fn count_all(#[state] of: &count) -> u32 {
        of.0
    }
}

/// Take a primitive's name.
#[tool(type = Text, name = "str")]
fn str_(text: &str) -> usize {
    text.len()
}

#[test]
fn is_accepted() {
    let tools = tools![SearchTool, other::Count, self::Text].with_state(other::count(3));
    assert_eq!(
        tools
            .definitions()
            .map(|tool| tool.name())
            .collect::<Vec<_>>(),
        ["search", "count", "str"]
    );
}
