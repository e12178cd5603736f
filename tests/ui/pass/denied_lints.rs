//! A crate that allows itself nothing.
#![deny(warnings, missing_docs, unreachable_pub, unused, future_incompatible, nonstandard_style, rust_2018_idioms, rust_2024_compatibility)]
#![deny(missing_debug_implementations, missing_copy_implementations, unused_qualifications, unused_results, single_use_lifetimes)]
#![deny(let_underscore_drop, trivial_casts, trivial_numeric_casts, unused_lifetimes, variant_size_differences, redundant_lifetimes)]
#![forbid(unsafe_code)]

use tool_core::{ToolSet, tool, tools};

/// A module.
mod beds {
    use tool_core::tool;

    /// Count the beds.
    #[tool(timeout = "5s", read_only)]
    pub(crate) async fn count_beds(
        #[state] beds: &u32,
        /// The ward.
        ward: &str,
        #[arg(default = 1, range(1..=5))] floor: u32,
        wing: Option<&str>,
    ) -> Result<u32, std::io::Error> {
        let _ = (ward, wing);
        Ok(*beds + floor)
    }
}

/// Count the wards.
#[tool]
fn count_wards(floor: Option<u32>) -> u32 {
    floor.unwrap_or(3)
}

/// Counts, as nobody does.
#[tool]
fn never_called() {}

/// The tools.
fn toolset() -> ToolSet {
    tools![beds::count_beds, count_wards].with_state(12)
}

fn main() {
    assert_eq!(toolset().len(), 2);
    assert!(tools![never_called].definition("count").is_none());
}
