use tool_core::tool;

/// Double a number.
#[tool]
extern "C" fn double(number: u64) -> u64 {
    number * 2
}

fn main() {}
