//! What the schema admits the tool accepts, and what it refuses the tool refuses, with an
//! independent validator as the judge.

use std::cell::Cell;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRunner};
use proptest::{prop_assert, prop_assume};
use serde_json::Value;
use tool_core::ToolDefinition;

use crate::draw::near;
use crate::exceptions::may_overflow;
use crate::lenience::lenient;
use crate::tools::{Caller, each_tool, judge};

/// Draws as many texts for each shape as proptest does by default; `PROPTEST_CASES` sets how many.
#[test]
fn every_shape_agrees_with_its_schema() {
    let counts = each_tool(agree);
    let failures: Vec<_> = counts
        .iter()
        .filter_map(|count| count.as_ref().err())
        .map(String::as_str)
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let (admitted, refused) = counts
        .into_iter()
        .flatten()
        .fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    assert!(
        admitted > refused / 3 && refused > admitted / 3,
        "{admitted} admitted, {refused} refused"
    );
}

/// How many texts the judge admitted and refused.
fn agree(definition: &ToolDefinition, caller: &Caller) -> Result<(usize, usize), String> {
    let (name, shape, schema) = (
        definition.name(),
        definition.description(),
        definition.parameters(),
    );
    let (strict, lenient) = (judge(schema), judge(&lenient(schema)));
    let (admitted, refused) = (Cell::new(0), Cell::new(0));
    let agree = |text: String| {
        prop_assume!(!may_overflow(shape, &text));
        let arguments: Value =
            serde_json::from_str(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let (verdict, refusal) = (strict.validate(&arguments), caller.refusal(name, &text));
        let count = if verdict.is_ok() { &admitted } else { &refused };
        count.set(count.get() + 1);
        match (verdict, refusal) {
            (Ok(()), Some(refusal)) => prop_assert!(false, "the schema admits it, but: {refusal}"),
            (Err(error), None) => prop_assert!(
                lenient.is_valid(&arguments),
                "the tool accepts it, but: {error}"
            ),
            _ => {}
        }
        Ok(())
    };
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::XorShift,
        ..Config::default()
    });
    runner
        .run(&near(schema), agree)
        .map_err(|error| format!("{shape}: {error}"))?;
    match admitted.get() {
        0 => Err(format!("{shape}: nothing was drawn that the schema admits")),
        _ => Ok((admitted.get(), refused.get())),
    }
}
