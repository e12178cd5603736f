use std::time::Duration;
use tool_core::{tool, tools};

#[derive(Clone, Copy, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
enum Order {
    Rising,
    Falling,
}

const LIMIT: u32 = 50;

mod limits {
    pub const GREETING: &str = "hello";
}

struct Settings;

impl Settings {
    const ORDER: Order = Order::Falling;
}

/// Take what is left out.
#[tool]
async fn left_out(
    #[arg(default = 5)] literal: u8,
    #[arg(default = -1)] negative: i64,
    #[arg(default = -0.5)] float: f32,
    #[arg(default = true)] flag: bool,
    #[arg(default = 'x')] character: char,
    #[arg(default = LIMIT)] constant: u32,
    #[arg(default = u32::MAX)] of_type: u32,
    #[arg(default = Settings::ORDER)] of_our_type: Order,
    #[arg(default = Order::Rising)] variant: Order,
    #[arg(default = 2 * LIMIT)] product: u32,
    #[arg(default = "north")] text: &str,
    #[arg(default = limits::GREETING)] constant_text: &str,
    #[arg(default = "south".to_owned())] string: String,
    #[arg(default = "east")] text_of_string: String,
    #[arg(default = vec![1, 2, 3])] list: Vec<u8>,
    #[arg(default = &[1, 2])] slice: &[u8],
    #[arg(default = &7)] borrowed: &u64,
    #[arg(default = Default::default())] defaulted: Vec<String>,
    #[arg(default)] bare: Vec<String>,
    #[arg(default = Duration::from_secs(1))] call: Duration,
    #[arg(default = if LIMIT > 10 { 1 } else { 2 })] branch: u8,
) {
    let _ = (
        literal,
        negative,
        float,
        flag,
        character,
        constant,
        of_type,
        of_our_type,
        variant,
        product,
    );
    let _ = (
        text,
        constant_text,
        string,
        text_of_string,
        list,
        slice,
        borrowed,
        defaulted,
        bare,
        call,
        branch,
    );
}

#[test]
fn is_accepted() {
    let tools = tools![left_out];
    let parameters = tools
        .definition("left_out")
        .expect("it is there")
        .parameters();
    assert!(parameters["required"].as_array().is_some_and(Vec::is_empty));
}
