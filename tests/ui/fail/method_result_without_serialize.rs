use tool_core::toolbox;

struct Hospital;

struct Ward;

#[toolbox]
impl Hospital {
    /// Find a ward.
    #[tool]
    async fn find_ward(&self) -> Ward {
        Ward
    }
}

fn main() {}
