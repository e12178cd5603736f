//! Runs that are resumed: their calls are decided on, and turns follow.

use tool_core::{Decision, ResumedBatch};

use super::{Ended, FinalText, Run, fatal};
use crate::agent::{Outcome, Reply, Suspended};
use crate::error::AgentError;

impl Run {
    /// Resumes a run whose calls are decided on.
    pub(in crate::agent) async fn resume(
        mut self,
        suspended: Suspended,
        decisions: Vec<(usize, Decision)>,
        streamed: bool,
    ) -> Ended {
        let results = suspended.results().to_vec();
        let dispatcher = &self.agent.config.dispatcher;
        let checked = suspended.check().and_then(|()| self.check_new(&suspended));
        let resumed = checked.map_err(str::to_owned).and_then(|()| {
            let resumed = dispatcher.resume_stream(results, decisions);
            resumed.map_err(|error| error.to_string())
        });
        let reply = match resumed {
            Ok(resumed) => self.decided(suspended, resumed, streamed).await,
            Err(reason) => Err(AgentError::NotResumed {
                suspended: Box::new(suspended),
                reason,
                source: None,
            }),
        };
        self.ended(reply)
    }

    /// Whether a suspended run, whose history replaces that of the conversation, has all messages that
    /// are there.
    fn check_new(&self, suspended: &Suspended) -> Result<(), &'static str> {
        let (before, now) = (
            &suspended.history().messages,
            &self.state().history.messages,
        );
        // Less is no loss: an earlier copy of the history, or one without its oldest messages.
        match before.starts_with(now) || before.ends_with(now) {
            true => Ok(()),
            false => Err(
                "the conversation has messages that are not the run's, and would be lost; resume it with `Agent::resume`",
            ),
        }
    }

    async fn decided(
        &mut self,
        suspended: Suspended,
        resumed: ResumedBatch,
        streamed: bool,
    ) -> Result<Reply, AgentError> {
        self.events.have_reported(suspended.results());
        self.usage = suspended.usage().clone();
        self.latest = suspended.repeated().cloned();
        self.state().history = suspended.history().clone();
        let turns = suspended.turns();
        // A clone: if calls are held still, the run stays as it was stored.
        let received = suspended.received();
        let (received, cancelled, results) = self.settled((received, resumed)).await?;
        let suspended = suspended.with_results(results);
        if !cancelled && suspended.held().next().is_some() {
            self.events.report_results(suspended.results());
            return Ok(self.suspended(Box::new(suspended)));
        }
        let text = suspended.text();
        let results = suspended.results();
        self.commit(received, results);
        if cancelled {
            return Err(AgentError::Cancelled);
        }
        if let Some(fatal) = fatal(results) {
            return Err(fatal);
        }
        self.check_repeats(results)?;
        if self.agent.config.stops(results) {
            return Ok(self.reply(turns, FinalText::new(text, None), Outcome::Stopped));
        }
        self.turns_after(turns, streamed).await
    }
}
