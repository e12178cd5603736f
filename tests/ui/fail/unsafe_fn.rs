use tool_core::tool;

/// Read a register.
#[tool]
unsafe fn read_register(number: u8) -> u8 {
    number
}

fn main() {}
