#![deny(warnings)]

mod hospital {
    pub mod reexport {
        pub use tool_core;
    }
}

/// Count the beds.
#[hospital::reexport::tool_core::tool(crate = hospital::reexport::tool_core)]
async fn count_beds(#[state] beds: &u32, #[arg(default = 1, range(1..=3))] floor: u32, ward: Option<&str>) -> Result<u32, String> {
    let _ = ward;
    Ok(*beds + floor)
}

mod elsewhere {
    /// Count the wards.
    #[tool_core::tool(crate = crate::hospital::reexport::tool_core)]
    pub fn count_wards() -> u32 {
        3
    }
}

fn main() {
    let tools = hospital::reexport::tool_core::tools![count_beds, elsewhere::count_wards].with_state(12);
    assert_eq!(tools.len(), 2);
}
