use tool_core::Provide;

#[derive(Provide)]
#[provide]
struct App {
    beds: u32,
}

fn main() {}
