//! Tools named like what they use, which is not a crate.
use tool_core::{tool, tools};

/// Add numbers up.
#[tool]
fn sum(numbers: Vec<f64>) -> f64 {
    numbers.iter().sum::<f64>()
}

/// Read a number.
#[tool]
fn parse(text: String) -> Option<f64> {
    text.parse::<f64>().ok()
}

struct Length {
    size: usize,
}

/// Measure a text.
#[tool]
fn size(text: String) -> usize {
    Length {
        size: ::std::primitive::str::len(&text),
    }
    .size
}

#[test]
fn is_accepted() {
    assert_eq!(tools![sum, parse, size].len(), 3);
}
