//! Helpers that share calls out, in every order in which their threads can meet.

use loom::sync::Arc;
use loom::thread;

use super::{Hands, Next};

/// What a helper has seen.
#[derive(Default)]
struct Seen {
    /// Calls it has taken.
    taken: Vec<usize>,
    /// Calls it has left to the scheduler.
    left: Vec<usize>,
    told: usize,
}

/// Polls calls until there are no more, or until so many are polled, and leaves.
fn help(hands: &Hands, own: usize, at_once: usize, most: usize) -> Seen {
    let mut seen = Seen::default();
    while seen.taken.len() < most {
        let Next { position, tell, .. } =
            hands.next(own, usize::from(!seen.taken.is_empty()), at_once);
        seen.told += tell;
        let Some(position) = position else {
            return leave(hands, own, seen, 0);
        };
        seen.taken.push(position);
    }
    let answered = usize::from(!seen.taken.is_empty());
    leave(hands, own, seen, answered)
}

fn leave(hands: &Hands, own: usize, mut seen: Seen, answered: usize) -> Seen {
    let left = hands.leave(own);
    seen.told += left.tell + answered;
    seen.left = left.rest.into_iter().flatten().collect();
    seen
}

fn all<'a>(seen: impl IntoIterator<Item = &'a Seen>) -> Vec<usize> {
    let mut all: Vec<_> = seen
        .into_iter()
        .flat_map(|seen| seen.taken.iter().chain(&seen.left))
        .copied()
        .collect();
    all.sort_unstable();
    all
}

/// Two helpers, each with how many calls it takes at once and polls at most.
fn with_two(first: (usize, usize), second: (usize, usize)) {
    loom::model(move || {
        const CALLS: usize = 3;
        let hands = Arc::new(Hands::new(2, CALLS));
        let other = {
            let hands = Arc::clone(&hands);
            thread::spawn(move || help(&hands, 1, second.0, second.1))
        };
        let seen = [help(&hands, 0, first.0, first.1), other.join().unwrap()];
        assert_eq!(
            all(&seen),
            [0, 1, 2],
            "each call is polled once, or left once"
        );
        let polled: usize = seen.iter().map(|seen| seen.taken.len()).sum();
        assert_eq!(
            seen.iter().map(|seen| seen.told).sum::<usize>(),
            polled,
            "each answer is told once"
        );
    });
}

#[test]
fn loom_each_call_is_taken_once_and_told_once() {
    with_two((2, usize::MAX), (1, usize::MAX));
}

#[test]
fn loom_what_a_helper_that_has_no_permit_leaves_is_left_once() {
    with_two((2, 1), (2, usize::MAX));
}

/// One helper takes some calls and is stuck at the first; another polls so many at most.
fn with_one_stuck(calls: usize, at_once: usize, most: usize) {
    loom::model(move || {
        let hands = Arc::new(Hands::new(2, calls));
        let stuck = {
            let hands = Arc::clone(&hands);
            thread::spawn(move || hands.next(0, 0, at_once).position)
        };
        let mut all = all([&help(&hands, 1, 1, most)]);
        all.extend(stuck.join().unwrap());
        all.sort_unstable();
        assert!(
            all.into_iter().eq(0..calls),
            "all but the call it is at are taken from it"
        );
    });
}

#[test]
fn loom_nothing_stays_in_the_hand_of_a_helper_that_is_stuck() {
    with_one_stuck(3, 2, usize::MAX);
}

#[test]
fn loom_nothing_stays_in_the_hand_of_a_helper_that_is_stuck_when_the_other_has_no_permit() {
    with_one_stuck(4, 3, 0);
}
