use tool_core::Provide;

#[derive(Provide)]
struct App {
    #[provide(ignore)]
    beds: u32,
}

fn main() {}
