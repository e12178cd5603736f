//! Ids of the calls of one message.

use std::collections::HashSet;

use crate::profile::Profile;

/// Gives each call of a message an id of its own.
#[derive(Clone, Debug)]
pub(super) struct Ids {
    turn: usize,
    profile: Profile,
    taken: HashSet<String>,
    calls: usize,
    /// The first number that no invented id had yet.
    free: usize,
}

impl Ids {
    /// The same `turn` gives the same ids; no two messages of a conversation should share one.
    pub(super) fn new(turn: usize) -> Self {
        Self {
            turn,
            profile: Profile::default(),
            taken: HashSet::new(),
            calls: 0,
            free: 0,
        }
    }

    /// Invents ids of the form that the service demands.
    pub(super) fn for_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// Takes the id of the next call. If it is empty or taken, another is invented and the one
    /// given is returned.
    pub(super) fn take(&mut self, id: &mut String) -> Option<String> {
        let given = (id.is_empty() || self.taken.contains(id)).then(|| {
            let invented = self.invent();
            std::mem::replace(id, invented)
        });
        self.taken.insert(id.clone());
        self.calls += 1;
        given
    }

    /// An id by turn and position, unless the server gave just that one to another call.
    fn invent(&mut self) -> String {
        let mut number = self.calls.max(self.free);
        loop {
            let id = self.profile.invented_id(self.turn, number);
            number += 1;
            if !self.taken.contains(&id) {
                self.free = number;
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(turn: usize, given: &[&str]) -> Vec<String> {
        let mut ids = Ids::new(turn);
        let take = |id: &&str| {
            let mut id = (*id).to_owned();
            ids.take(&mut id);
            id
        };
        given.iter().map(take).collect()
    }

    #[test]
    fn every_call_gets_an_id_of_its_own() {
        assert_eq!(
            taken(3, &["a", "a", ""]),
            [
                "a",
                "call_000000000003000000000001",
                "call_000000000003000000000002"
            ]
        );
    }

    #[test]
    fn an_invented_id_is_never_one_that_was_given() {
        let first = "call_000000000000000000000001";
        assert_eq!(
            taken(0, &[first, "", ""]),
            [
                first,
                "call_000000000000000000000002",
                "call_000000000000000000000003"
            ]
        );
        assert_eq!(
            taken(0, &["x", "", first])[1..],
            [first, "call_000000000000000000000002"]
        );
    }

    #[test]
    fn invented_ids_are_never_too_long() {
        assert!(taken(usize::MAX, &["", ""]).iter().all(|id| id.len() <= 40));
    }
}
