use tool_core::{Image, tool};

/// Draw a chart.
#[tool(structured)]
async fn draw_chart() -> Image {
    Image::new("image/png", *b"png")
}

fn main() {}
