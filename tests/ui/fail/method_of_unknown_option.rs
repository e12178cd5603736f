use tool_core::toolbox;

struct Hospital;

#[toolbox]
impl Hospital {
    /// Count the beds.
    #[tool(readonly)]
    async fn count_beds(&self) -> u32 {
        12
    }

    /// Count the wards.
    #[tool(timeout = "soon")]
    async fn count_wards(&self) -> u32 {
        3
    }
}

async fn caller() -> u32 {
    Hospital.count_beds().await + Hospital.count_wards().await
}

fn toolset() -> tool_core::ToolSet {
    tool_core::tools![Hospital].with_state(Hospital)
}

fn main() {}
