use tool_core::{tool, tools};

/**
 Count the beds.

 Of one ward.
*/
#[tool]
fn of_block() -> u32 {
    12
}

#[doc = "Count the beds of a "]
#[doc = concat!("ward ", "or floor.")]
#[tool]
fn of_attribute(
    #[doc = concat!("The ", "ward.")] ward: u32,
    /** The floor. */
    floor: u32,
) -> u32 {
    ward + floor
}

#[tool(description = concat!("Count ", "the doors."))]
fn of_macro(#[arg(description = concat!("The ", "floor."))] floor: u32) -> u32 {
    floor
}

const DOORS: &str = "\nCount the doors.\n";

mod texts {
    pub(crate) const FLOOR: &str = "The floor.";
}

#[tool(description = DOORS)]
fn of_constant(#[arg(description = texts::FLOOR)] floor: u32) -> u32 {
    floor
}

/// Not for the model.
#[tool(description = "Count the wards.")]
fn of_option(
    /// Nor this.
    #[arg(description = "The floor.")]
    floor: u32,
) -> u32 {
    floor
}

#[test]
fn is_accepted() {
    let tools = tools![of_block, of_attribute, of_macro, of_option, of_constant];
    let described: Vec<_> = tools.definitions().map(|tool| tool.description()).collect();
    assert_eq!(described[0], "Count the beds.\n\nOf one ward.");
    assert_eq!(
        described[2..],
        ["Count the doors.", "Count the wards.", "Count the doors."]
    );
    let floor = |name| {
        tools
            .definition(name)
            .map(|tool| tool.parameters()["properties"]["floor"]["description"].clone())
    };
    assert_eq!(floor("of_attribute"), Some("The floor.".into()));
    assert_eq!(floor("of_option"), Some("The floor.".into()));
    assert_eq!(floor("of_constant"), Some("The floor.".into()));
}
