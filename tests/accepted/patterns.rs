use tool_core::{tool, tools};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Point {
    x: i64,
    y: i64,
}

/// Sort some names.
#[tool]
async fn sort(
    mut names: Vec<String>,
    #[arg(default = 1)] mut times: u32,
    #[state] mut count: u32,
) -> Vec<String> {
    names.sort();
    while times > 0 {
        times -= 1;
        count += times;
    }
    names.truncate(count as usize);
    names
}

/// Add two points.
#[tool]
fn add(
    /// The first.
    #[arg(name = "first")]
    (ax, ay): (i64, i64),
    #[arg(name = "second", description = "The second.")] Point { x, y }: Point,
    #[arg(name = "ignored")] _: Option<bool>,
) -> (i64, i64) {
    (ax + x, ay + y)
}

#[test]
fn is_accepted() {
    let tools = tools![sort, add].with_state(0);
    let properties = &tools.definition("add").expect("it is there").parameters()["properties"];
    assert_eq!(properties["first"]["description"], "The first.");
    assert_eq!(add((1, 2), Point { x: 3, y: 4 }, None), (4, 6));
    let _ = sort(vec![], 1, 2);
}
