use tool_core::tool;

/// Count the beds of a ward.
#[tool]
async fn count_beds(#[serde(alias = "room")] ward: u32, room: u32) -> u32 {
    ward + room
}

fn main() {}
