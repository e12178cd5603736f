use tool_core::{tool, tools};

macro_rules! getter {
    ($(#[$attr:meta])* $vis:vis fn $name:ident($argument:ident: $ty:ty = $default:expr) -> $result:ty $body:block) => {
        $(#[$attr])*
        #[tool]
        $vis async fn $name($argument: $ty, #[arg(default = $default)] _count: u32) -> $result $body
    };
}

getter! {
    /// Get a text.
    pub(crate) fn get_text(key: &str = 5) -> usize { key.len() }
}
getter! {
    /// Get an optional text.
    fn get_optional(key: Option<&str> = 1 + 1) -> Option<usize> { key.map(str::len) }
}
getter! {
    /// Get a number.
    fn get_number(key: Option<u32> = 5) -> Result<u32, String> { key.ok_or_else(|| "none".to_owned()) }
}

macro_rules! constant {
    ($name:ident, $text:literal, $description:expr, $value:expr) => {
        #[tool(name = $text, description = $description)]
        fn $name() -> i32 {
            $value
        }
    };
}

constant!(seven, "get_seven", "Get seven.", 7);

macro_rules! list {
    ($($tool:path),*) => { tools![$($tool),*] };
}

macro_rules! listed {
    ($($tool:ident),*) => { tools![$($tool),*] };
}

#[test]
fn is_accepted() {
    assert_eq!(
        list![get_text, crate::macro_rules::get_optional, get_number].len(),
        3
    );
    let tools = listed![get_optional, get_number, seven];
    let required = |name| {
        tools
            .definition(name)
            .map(|tool| tool.parameters()["required"].clone())
    };
    assert_eq!(required("get_optional"), Some(serde_json::json!([])));
    assert_eq!(required("get_seven"), Some(serde_json::json!([])));
}
