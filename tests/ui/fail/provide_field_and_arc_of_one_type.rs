use std::sync::Arc;
use tool_core::Provide;

#[derive(Provide)]
struct App {
    beds: u32,
    wards: Arc<u32>,
}

fn main() {}
