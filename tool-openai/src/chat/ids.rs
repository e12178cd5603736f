//! Ids of the calls of one message.

use std::collections::{HashMap, HashSet};

use super::wire::Message;
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

    /// Generates ids of the form that the service requires.
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

/// Replaces the ids of calls that a service does not take, in their results too. The same messages
/// get the same ids, after as many others. Whether there were any.
pub(crate) fn replace_ids(
    messages: &mut [Message],
    before: usize,
    profile: &Profile,
    takes: impl Fn(&str) -> bool,
) -> bool {
    let mut replaced: HashMap<String, String> = HashMap::new();
    let mut any = false;
    for (turn, message) in (before..).zip(messages) {
        match message {
            Message::Assistant(message) => {
                replaced.clear();
                let mut ids = Ids::new(turn).for_profile(profile.clone());
                // Others keep theirs.
                let kept = message.tool_calls.iter().map(|call| &call.id);
                ids.taken.extend(kept.filter(|id| takes(id)).cloned());
                for call in &mut message.tool_calls {
                    if !takes(&call.id) {
                        let given = std::mem::take(&mut call.id);
                        ids.take(&mut call.id);
                        replaced.insert(given, call.id.clone());
                    } else {
                        ids.calls += 1;
                    }
                }
                any |= !replaced.is_empty();
            }
            Message::Tool(result) => {
                if let Some(id) = replaced.get(&result.tool_call_id) {
                    result.tool_call_id.clone_from(id);
                }
            }
            _ => {}
        }
    }
    any
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
    fn a_generated_id_never_equals_a_given_one() {
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
    fn ids_that_a_service_does_not_take_are_replaced_in_both_places() {
        use tool_core::serde_json::{from_value, json, to_value};

        let long = "x".repeat(41);
        let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "now", "arguments": "{}"}});
        let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "noon"});
        let history = json!([
            {"role": "assistant", "content": null, "tool_calls": [call("a"), call(&long)]},
            result(&long),
            result("a"),
            {"role": "user", "content": "hi"},
        ]);
        let mut messages: Vec<Message> = from_value(history.clone()).unwrap();
        let profile = Profile::openai();
        assert!(replace_ids(&mut messages, 0, &profile, |id| profile.takes_id(id)));
        let made = to_value(&messages).unwrap();
        let id = |call: usize| &made[0]["tool_calls"][call]["id"];
        assert_eq!(id(0), "a");
        assert!(id(1).as_str().unwrap().len() <= 40);
        assert_eq!(
            (&made[1]["tool_call_id"], &made[2]["tool_call_id"]),
            (id(1), id(0))
        );
        let mut again = messages.clone();
        assert!(!replace_ids(&mut again, 0, &profile, |id| profile.takes_id(id)));

        let mistral = Profile::mistral();
        let mut short: Vec<Message> = from_value(history.clone()).unwrap();
        replace_ids(&mut short, 0, &mistral, |id| mistral.takes_id(id));
        let short = to_value(short).unwrap();
        assert!((0..2).all(|call| short[0]["tool_calls"][call]["id"].as_str().unwrap().len() == 9));

        let portable = Profile::portable();
        let mut as_they_came: Vec<Message> = from_value(history).unwrap();
        assert!(!replace_ids(&mut as_they_came, 0, &portable, |id| portable.takes_id(id)));
    }

    #[test]
    fn invented_ids_are_never_too_long() {
        assert!(taken(usize::MAX, &["", ""]).iter().all(|id| id.len() <= 40));
    }
}
