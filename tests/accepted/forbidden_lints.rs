//! A crate that forbids commonly forbidden lints.
#![forbid(
    deprecated,
    dead_code,
    unused_imports,
    unused_qualifications,
    unreachable_pub,
    non_camel_case_types,
    unsafe_code
)]
#![forbid(clippy::all)]

use tool_core::{Provide, tool, toolbox, tools};

/// Count the beds.
#[tool(timeout = "5s", read_only)]
async fn count_beds(
    #[state] beds: &u32,
    #[arg(default = u32::default(), range(..=5))] floor: u32,
    wing: Option<&str>,
) -> Result<u32, String> {
    Ok(*beds + floor + wing.map_or(0, |_| 1))
}

/// Count the wards.
#[tool]
fn count_wards(#[arg(default)] floor: u32) -> u32 {
    floor
}

struct Hospital;

#[toolbox]
impl Hospital {
    /// Count the floors.
    #[tool]
    fn count_floors(&self) -> u32 {
        3
    }
}

#[derive(Provide)]
struct App {
    beds: u32,
    hospital: Hospital,
}

#[test]
fn is_accepted() {
    assert_eq!(
        tools![count_beds, count_wards, Hospital]
            .with_state(App {
                beds: 2,
                hospital: Hospital
            })
            .len(),
        3
    );
}
