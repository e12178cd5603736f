use tool_core::tool;

#[derive(Clone, serde::Deserialize, schemars::JsonSchema)]
struct Ward(u32);

const FIRST: Ward = Ward(1);

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[arg(default = FIRST)] ward: Ward) -> u32 {
    ward.0
}

fn main() {}
