use tool_core::{tool, tools};

const MOST: u32 = 50;

/// Take numbers within limits.
#[tool]
fn within(
    #[arg(range(1..=50))] closed: u32,
    #[arg(range(1..50))] half_open: i8,
    #[arg(range(-90.0..=90.0))] latitude: f64,
    #[arg(range(..100))] below: u64,
    #[arg(range(-5..))] above: i64,
    #[arg(range(1..=MOST))] constant: u32,
    #[arg(range(1..=50), default = 5)] defaulted: u32,
    #[arg(range(1..=50))] optional: Option<u32>,
    #[arg(range(0.0..1.0))] optional_float: Option<f32>,
    #[arg(range(1..=50))] borrowed: &u32,
    #[arg(range(1..=50))] optional_borrowed: Option<&u32>,
) {
    let _ = (
        closed,
        half_open,
        latitude,
        below,
        above,
        constant,
        defaulted,
        optional,
        optional_float,
        borrowed,
        optional_borrowed,
    );
}

#[test]
fn is_accepted() {
    assert_eq!(tools![within].len(), 1);
}
