use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[arg(default = "", length(1..))] ward: &str) -> String {
    ward.to_owned()
}

fn main() {}
