//! A module that denies all lints.

#![deny(
    missing_docs,
    unreachable_pub,
    unused,
    nonstandard_style,
    rust_2018_idioms
)]
#![deny(
    missing_debug_implementations,
    missing_copy_implementations,
    unused_qualifications,
    unused_results,
    single_use_lifetimes
)]
#![deny(
    let_underscore_drop,
    trivial_casts,
    trivial_numeric_casts,
    unused_lifetimes,
    variant_size_differences,
    redundant_lifetimes
)]
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use tool_core::{CallContext, Provide, ToolSet, tool, toolbox, tools};

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

/// Counts, with deprecated code.
#[tool]
fn never_called() {}

/// Counts, with all options set.
#[tool(
    timeout = "none",
    concurrency = 4,
    exclusive,
    serialize_by(ward, page),
    read_only,
    idempotent,
    retry(attempts = 5, backoff = "50ms", max_backoff = "1s"),
    strict,
    linked,
    type = CountRooms
)]
fn count_rooms(
    #[context] cx: &CallContext,
    #[state] beds: &u32,
    #[arg(length(1..=9))] ward: &str,
    #[arg(length(1..=9), default = "north")] wing: String,
    #[serde(default)] page: u32,
    #[serde(alias = "n")] number: Option<u32>,
    #[schemars(extend("examples" = ["a"]))]
    #[arg(length(..=9))]
    code: Option<String>,
    #[schemars(with = "u32")] level: u32,
) -> u32 {
    drop((cx.id(), ward, wing, page, number, code, level));
    *beds
}

/// Counts what is in an object.
#[tool(inline)]
fn count_all(#[args] map: BTreeMap<String, u32>) -> usize {
    map.len()
}

/// A hospital.
#[derive(Debug)]
struct Hospital {
    /// Its floors.
    floors: u32,
}

#[toolbox]
impl Hospital {
    /// Count the floors.
    #[tool(read_only)]
    pub(crate) async fn count_floors(
        &self,
        /// The ward.
        ward: &str,
        #[arg(default = 1, range(1..=5))] floor: u32,
        wing: Option<&str>,
        #[context] cx: &CallContext,
    ) -> Result<u32, std::io::Error> {
        let _ = (ward, wing, cx.position());
        Ok(self.floors + floor)
    }

    /// Say the floors.
    #[tool]
    fn say_floors(&self, #[args] map: BTreeMap<String, u32>) -> String {
        format!("{} {}", self.floors, map.len())
    }

    /// No tool.
    fn new() -> Self {
        Self { floors: 3 }
    }
}

/// What the tools ask for.
#[derive(Debug, Provide)]
struct App {
    /// The beds.
    beds: u32,
    /// The hospital.
    hospital: Arc<Hospital>,
}

/// The tools.
fn toolset() -> ToolSet {
    let app = App {
        beds: 12,
        hospital: Arc::new(Hospital::new()),
    };
    tools![
        beds::count_beds,
        count_wards,
        CountRooms,
        count_all,
        Hospital
    ]
    .with_state(app)
}

#[test]
fn is_accepted() {
    assert_eq!(toolset().len(), 6);
    assert!(tools![never_called].definition("count").is_none());
}
