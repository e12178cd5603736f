//! Prints what a tool makes of numbers: the same with and without the feature `others`.

use tool_core::{Dispatcher, ToolCall, tool, tools};

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[allow(dead_code, reason = "only shown")]
struct Point {
    whole: u8,
    float: f64,
    more: Option<i64>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind")]
#[allow(dead_code, reason = "only shown")]
enum Tagged {
    A { whole: u8 },
}

/// Take numbers.
#[tool]
fn numbers(
    #[arg(default = 1, range(0..=200))] whole: u8,
    #[arg(default = 1.5)] float: f64,
    small: Option<f32>,
    long: Option<i64>,
    longer: Option<u128>,
    point: Option<Point>,
    tagged: Option<Tagged>,
) -> String {
    format!("{whole} {float} {small:?} {long:?} {longer:?} {point:?} {tagged:?}")
}

fn main() {
    let dispatcher = Dispatcher::new(tools![numbers]);
    let definition = dispatcher.tools().definition("numbers");
    println!(
        "{}",
        definition
            .map(|numbers| numbers.parameters().to_string())
            .unwrap_or_default()
    );
    let whole = ["5", "5.0", "5.5", "1e2", "300", "-1", "-0.0"]
        .map(|number| format!(r#"{{"whole": {number}}}"#));
    let float = ["0.1", "3", "1e400", "1e-400", "123456789012345678"]
        .map(|number| format!(r#"{{"float": {number}, "small": {number}}}"#));
    let long = [
        "9223372036854775807",
        "9223372036854775808",
        "1e3",
        "-9223372036854775808",
    ]
    .map(|number| format!(r#"{{"long": {number}}}"#));
    let others = [
        r#"{"longer": 340282366920938463463374607431768211455}"#,
        r#"{"point": {"whole": 5.0, "float": 1, "more": 7}}"#,
        r#"{"point": {"whole": 300, "float": 1}}"#,
        r#"{"point": {"whole": 1, "float": "x"}}"#,
        r#"{"point": {"whole": 1, "float": 1, "unknown": 1}}"#,
        r#"{"tagged": {"kind": "A", "whole": 5}}"#,
        r#"{"tagged": {"kind": "A", "whole": 5.0}}"#,
        r#"{"tagged": {"kind": "A", "whole": 500}}"#,
    ]
    .map(str::to_owned);
    for text in whole.into_iter().chain(float).chain(long).chain(others) {
        let results =
            dispatcher.dispatch_blocking(vec![ToolCall::new("1", "numbers", text.clone())]);
        println!("{text} {}", results[0].content());
    }
}
