use std::sync::Arc;
use tool_core::toolbox;

struct Hospital(u32);

#[toolbox]
impl Hospital {
    /// Count the beds.
    #[tool]
    async fn count_beds(self: Arc<Self>) -> u32 {
        self.0
    }
}

fn main() {}
