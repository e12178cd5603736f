use tool_core::Provide;

#[derive(Provide)]
#[provide(skip)]
struct App {
    beds: u32,
}

fn main() {}
