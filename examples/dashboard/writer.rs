//! Writes what happens in a run, before any page shows it.

use std::time::Duration;

use futures_util::StreamExt;
use patient_summary::DbError;
use tokio_util::sync::CancellationToken;
use tool_openai::{AgentError, AgentEvent, AgentStream, Conversation, Outcome, Suspended};
use uuid::Uuid;

use crate::runs::Runs;
use crate::store::{Ended, Entry, Recorded, now_us};

/// Events that are written together.
const MOST_TOGETHER: usize = 64;

/// How long to wait for a database that is away.
const AWAY: Duration = Duration::from_millis(500);

/// The one writer of a run's events. While there is one, the run is under way.
pub(crate) struct Writer {
    runs: Runs,
    id: Uuid,
    pub(crate) stop: CancellationToken,
    /// The number of the last event, once it is known.
    last: Option<i64>,
}

impl Writer {
    pub(crate) fn new(runs: Runs, id: Uuid, stop: CancellationToken) -> Self {
        Self {
            runs,
            id,
            stop,
            last: None,
        }
    }

    /// Writes what a stream yields, until it ends. It needs no page that watches.
    pub(crate) async fn follow(mut self, conversation: Conversation, stream: AgentStream) {
        let mut events = stream.ready_chunks(MOST_TOGETHER);
        while let Some(events) = events.next().await {
            let (mut entries, mut ended) = (Vec::new(), None);
            for event in events {
                ended = self.take_in(&conversation, event, &mut entries).or(ended);
            }
            self.write(entries, ended).await;
        }
    }

    pub(crate) async fn record(&mut self, entry: Entry) {
        self.write(vec![(now_us(), entry)], None).await;
    }

    /// The run that waits for this approval, if it does. That it is decided on is written with it.
    pub(crate) async fn take(
        &mut self,
        approval: Uuid,
        decided: Entry,
    ) -> Result<Option<Suspended>, DbError> {
        let store = self.runs.store.clone();
        let seq = store.last_event(self.id).await? + 1;
        let decided = Recorded {
            seq,
            at_us: now_us(),
            entry: decided,
        };
        let taken = store.take(self.id, approval, decided).await?;
        self.last = Some(seq).filter(|_| taken.is_some());
        Ok(taken)
    }

    /// Makes an entry of an event, and says how the run has ended, if it has. Texts in a row are one.
    fn take_in(
        &self,
        conversation: &Conversation,
        event: Result<AgentEvent, AgentError>,
        entries: &mut Vec<(i64, Entry)>,
    ) -> Option<Ended> {
        let mut ended = None;
        let mut end = |status| {
            ended = Some(Ended {
                status,
                history: conversation.history(),
                held: None,
            });
        };
        let entry = match event {
            Ok(AgentEvent::Text(more)) => {
                if let Some((_, Entry::Event(AgentEvent::Text(text)))) = entries.last_mut() {
                    text.push_str(&more);
                    return None;
                }
                Entry::Event(AgentEvent::Text(more))
            }
            Ok(AgentEvent::Reply(reply)) => match reply.outcome {
                Outcome::Suspended(suspended) => return Some(hold(suspended, entries)),
                _ => {
                    entries.push((now_us(), Entry::Event(AgentEvent::Reply(reply))));
                    end("finished");
                    Entry::Finished
                }
            },
            Ok(event) => Entry::Event(event),
            // A decision that does not match leaves the run as it was.
            Err(AgentError::NotResumed { suspended, .. }) => return Some(hold(suspended, entries)),
            Err(AgentError::Cancelled) => {
                end("stopped");
                Entry::Stopped
            }
            Err(error) => {
                end("failed");
                Entry::Failed(error.to_string())
            }
        };
        entries.push((now_us(), entry));
        ended
    }

    /// Writes when the database is there. Until then the run stays where it is: nothing is lost, and
    /// nothing piles up.
    async fn write(&mut self, entries: Vec<(i64, Entry)>, ended: Option<Ended>) {
        let mut entries = Some(entries);
        let mut recorded = Vec::new();
        while let Err(error) = self
            .try_write(&mut entries, &mut recorded, ended.as_ref())
            .await
        {
            eprintln!("the database cannot be written, and is tried again: {error}");
            tokio::time::sleep(AWAY).await;
        }
        self.runs.changed(self.id);
    }

    /// Written again under the same numbers, an event is there once.
    async fn try_write(
        &mut self,
        entries: &mut Option<Vec<(i64, Entry)>>,
        recorded: &mut Vec<Recorded>,
        ended: Option<&Ended>,
    ) -> Result<(), DbError> {
        let store = &self.runs.store;
        let last = match self.last {
            Some(last) => last,
            None => store.last_event(self.id).await?,
        };
        if let Some(entries) = entries.take() {
            let numbered = (last + 1..).zip(entries);
            recorded.extend(numbered.map(|(seq, (at_us, entry))| Recorded { seq, at_us, entry }));
        }
        self.last = Some(last);
        store.append(self.id, recorded, ended).await?;
        self.last = recorded.last().map_or(self.last, |newest| Some(newest.seq));
        Ok(())
    }
}

/// The run waits for an approval, under a name of its own.
fn hold(suspended: Box<Suspended>, entries: &mut Vec<(i64, Entry)>) -> Ended {
    let approval = Uuid::new_v4();
    entries.push((now_us(), Entry::Held(approval)));
    Ended {
        status: "waits for approval",
        history: suspended.history().clone(),
        held: Some((approval, suspended)),
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.runs.leave(self.id);
    }
}
