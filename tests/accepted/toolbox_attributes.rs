#![deny(missing_docs)]
//! What may be beside `#[tool]` in a `#[toolbox]`.

use tool_core::{toolbox, tools};

/// A hospital.
#[derive(Debug)]
pub struct Hospital;

#[toolbox]
#[allow(non_snake_case)]
/// Its tools.
impl Hospital {
    #[tool]
    /// Count the beds.
    #[must_use]
    pub fn count_beds(&self) -> u32 {
        12
    }

    #[deprecated(note = "count the wards")]
    #[doc = concat!("Count the ", "floors.")]
    #[tool]
    pub fn count_floors(&self) -> u32 {
        3
    }

    #[expect(unused_variables, reason = "shows that the lint reaches the body")]
    #[tool_core::tool]
    #[doc(hidden)]
    #[doc(alias = "wings")]
    /// Count the wings.
    ///
    /// All of them.
    #[inline]
    pub async fn CountWings(&self, #[allow(unused_variables)] floor: Option<u32>) -> u32 {
        let unused = 1;
        2
    }

    /// Count the wards.
    #[cfg(true)]
    #[tool]
    pub fn count_wards(&self) -> u32 {
        4
    }

    /// Count the doors that are not there.
    #[cfg(false)]
    #[tool]
    pub fn count_doors(&self, doors: Missing) -> Missing {
        4
    }
}

#[test]
fn is_accepted() {
    let tools = tools![Hospital].with_state(Hospital);
    let described: Vec<_> = tools
        .definitions()
        .map(|tool| (tool.name(), tool.description().trim()))
        .collect();
    let expected = [
        ("count_beds", "Count the beds."),
        ("count_floors", "Count the floors."),
        ("CountWings", "Count the wings.\n\nAll of them."),
        ("count_wards", "Count the wards."),
    ];
    assert_eq!(described, expected);
}
