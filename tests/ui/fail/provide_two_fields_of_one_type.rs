use tool_core::Provide;

#[derive(Provide)]
struct App {
    beds: u32,
    wards: u32,
}

fn main() {}
