use tool_core::toolbox;

struct Hospital(u32);

#[toolbox]
impl Hospital {
    /// Add a bed.
    #[tool]
    async fn add_bed(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }
}

fn main() {}
