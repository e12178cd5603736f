use tool_core::tool;

#[tool(name = "book a bed")]
async unsafe fn book_bed<T>(ward: &mut u32, #[arg(name = "ward")] place: &'static str, #[arg(default = None)] bed: Option<u32>) -> u32 {
    let _ = (place, bed);
    *ward
}

async fn caller() -> u32 {
    unsafe { book_bed::<u8>(&mut 1, "left", None).await }
}

fn main() {}
