//! Limits that are literals, compared with each other and with a default.

use syn::{Expr, ExprLit, ExprRange, Lit, RangeLimits, UnOp};

/// Whether a range admits nothing, as far as its limits are literals.
pub(super) fn is_empty(range: &ExprRange) -> bool {
    let end = range.end.as_deref().and_then(number);
    let least = range.start.as_deref().and_then(number);
    least.zip(end).is_some_and(|(least, end)| {
        if matches!(range.limits, RangeLimits::Closed(_)) {
            least > end
        } else {
            least >= end
        }
    })
}

/// Whether a range admits a value, as far as its limits are literals.
pub(super) fn admits(range: &ExprRange, value: f64) -> bool {
    let least = range.start.as_deref().and_then(number);
    let most = range.end.as_deref().and_then(number);
    let below = |most: f64| {
        if matches!(range.limits, RangeLimits::Closed(_)) {
            value <= most
        } else {
            value < most
        }
    };
    least.is_none_or(|least| least <= value) && most.is_none_or(below)
}

/// The value of a literal number. Near enough: a default is not distinguished from a limit it
/// differs from in the 17th digit.
pub(super) fn number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Int(int), ..
        }) => int.base10_parse::<u64>().ok().map(|int| int as f64),
        Expr::Lit(ExprLit {
            lit: Lit::Float(float),
            ..
        }) => float.base10_parse().ok(),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            number(&unary.expr).map(|number| -number)
        }
        Expr::Group(group) => number(&group.expr),
        Expr::Paren(paren) => number(&paren.expr),
        _ => None,
    }
}

/// The length of literal text.
pub(super) fn length(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.value().chars().count() as f64),
        Expr::Group(group) => length(&group.expr),
        _ => None,
    }
}
