use tool_core::tool;

/// A patient.
#[tool]
struct Patient {
    name: String,
}

fn main() {}
