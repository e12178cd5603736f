use std::rc::Rc;
use tool_core::toolbox;

struct Hospital;

#[toolbox]
impl Hospital {
    /// Count the beds.
    #[tool]
    async fn count_beds(&self) -> u32 {
        let beds = Rc::new(12);
        std::future::ready(()).await;
        *beds
    }
}

fn main() {}
