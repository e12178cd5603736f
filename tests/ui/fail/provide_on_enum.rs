use tool_core::Provide;

#[derive(Provide)]
enum App {
    Beds(u32),
}

fn main() {}
