//! Batches that wait for permits alone, the one whose turn was longest ago first.

use std::collections::{BTreeMap, BTreeSet};

use super::machine::BatchId;

/// By the limit of a tool that its calls need, so that calls which wait for a limit that is used up
/// are passed over without a look at them.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(BTreeMap<Option<usize>, BTreeSet<(u64, BatchId)>>);

impl Turns {
    pub(super) fn add(&mut self, gate: Option<usize>, turn: u64, batch: BatchId) {
        self.0.entry(gate).or_default().insert((turn, batch));
    }

    pub(super) fn remove(&mut self, gate: Option<usize>, turn: u64, batch: BatchId) {
        if let Some(batches) = self.0.get_mut(&gate) {
            batches.remove(&(turn, batch));
            if batches.is_empty() {
                self.0.remove(&gate);
            }
        }
    }

    /// The batch that is next, of those with a call that needs a limit with room.
    pub(super) fn next(&self, has_room: impl Fn(Option<usize>) -> bool) -> Option<BatchId> {
        let open = self.0.iter().filter(|(gate, _)| has_room(**gate));
        let first = open.filter_map(|(_, batches)| batches.first()).min();
        first.map(|(_, batch)| *batch)
    }

    #[cfg(test)]
    pub(super) fn batches(&self) -> impl Iterator<Item = (Option<usize>, BatchId)> {
        let of_gate = |(gate, batches): (&Option<usize>, &'_ BTreeSet<(u64, BatchId)>)| {
            let gate = *gate;
            let pairs: Vec<_> = batches.iter().map(|(_, batch)| (gate, *batch)).collect();
            pairs
        };
        self.0.iter().flat_map(of_gate)
    }
}
