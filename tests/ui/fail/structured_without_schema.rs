use tool_core::tool;

#[derive(tool_core::serde::Serialize)]
#[serde(crate = "tool_core::serde")]
struct Ward {
    beds: u32,
}

/// Get a ward.
#[tool(structured)]
async fn get_ward(number: u32) -> Result<Ward, std::io::Error> {
    Ok(Ward { beds: number })
}

fn main() {}
