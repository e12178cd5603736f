use tool_core::tool;

/// Count the beds.
#[tool(name = "count_the_beds_of_the_ward_that_are_neither_taken_nor_being_cleaned")]
async fn count_beds() -> u32 {
    12
}

fn main() {}
