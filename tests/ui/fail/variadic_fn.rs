use tool_core::tool;

/// Add some numbers.
#[tool]
fn add(first: i64, more: ...) -> i64 {
    first
}

fn main() {}
