//! The contract, as rules over what happened.

mod answers;
mod codes;
mod limits;
mod order;
mod runs;
mod turns;
mod work;

use std::sync::Arc;

use crate::history::History;
use crate::run::Outcome;

/// Everything that is wrong with a case.
pub(crate) fn faults(outcome: Outcome) -> Vec<String> {
    let mut faults = outcome.faults;
    let history = History::of(Arc::clone(&outcome.stage));
    let rules: [fn(&History, &mut Vec<String>); 7] = [
        answers::check,
        codes::check,
        limits::check,
        order::check,
        runs::check,
        turns::check,
        work::check,
    ];
    for rule in rules {
        rule(&history, &mut faults);
    }
    faults
}
