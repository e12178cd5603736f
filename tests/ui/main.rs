//! Starts the compile-fail cases, on the one compiler whose wording they record.

/// `build.rs` says which compiler that is, and whether this is it.
#[test]
#[cfg_attr(
    not(recorded_compiler),
    ignore = "the cases record what another release of the compiler says; see build.rs"
)]
fn mistakes_are_reported_where_they_are_made() {
    trybuild::TestCases::new().compile_fail("cases/*.rs");
}
