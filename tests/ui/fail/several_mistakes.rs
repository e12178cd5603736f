use tool_core::tool;

/// Book a bed.
#[tool(desc = "Book a bed.", timeout = "soon")]
async fn book_bed(
    #[arg(default = 1, default = 2)] ward: u32,
    (from, to): (u32, u32),
    #[state(shared)] beds: &u32,
) -> u32 {
    ward + from + to + beds
}

async fn caller() -> u32 {
    let _ = tool_core::tools![book_bed].len();
    book_bed(1, (2, 3), &4).await
}

fn main() {}
