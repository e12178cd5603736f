use tool_core::toolbox;

/// Count the beds.
#[toolbox]
async fn count_beds() -> u32 {
    12
}

async fn caller() -> u32 {
    count_beds().await
}

fn main() {}
