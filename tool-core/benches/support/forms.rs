//! Four ways to answer all calls of a message in order.

use std::collections::HashMap;

use futures_util::future::{JoinAll, join_all};
use tool_core::{Dispatcher, ToolCall};

use super::Result;
use super::tools::{self, Run};

/// A way to answer a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By a [`Dispatcher`].
    Ours,
    /// By hand: all calls in the task that waits for them.
    Joined,
    /// By hand: each call in a task of its own.
    Spawned,
    /// By hand: in two tasks, half of the calls each. The least that keeps a tool which computes
    /// from holding up all others.
    Halved,
}

impl Form {
    /// In the order of the table's columns.
    pub(crate) const ALL: [Self; 4] = [Self::Ours, Self::Joined, Self::Spawned, Self::Halved];
}

/// What is there before a message comes.
pub(crate) struct Program {
    dispatcher: Dispatcher,
    by_hand: HashMap<&'static str, Run>,
}

impl Program {
    /// The tools by attribute run as `set_up` says.
    pub(crate) fn new(set_up: impl FnOnce(Dispatcher) -> Dispatcher) -> Self {
        /// The longest message.
        const MOST: usize = 100_000;
        let dispatcher = Dispatcher::new(tools::by_attribute())
            .with_limits(|limits| (limits.calls, limits.queue) = (MOST, MOST));
        Self {
            dispatcher: set_up(dispatcher),
            by_hand: tools::by_hand(),
        }
    }

    /// Answers a message and reads the answers: how many bytes they have, ids included.
    pub(crate) async fn answer(&self, form: Form, mut calls: Vec<ToolCall>) -> Result<usize> {
        match form {
            Form::Ours => Ok(length(
                self.dispatcher
                    .dispatch(calls)
                    .await
                    .iter()
                    .map(|result| (result.id(), result.content())),
            )),
            Form::Joined => {
                let answers = self
                    .join(calls)
                    .await
                    .into_iter()
                    .collect::<serde_json::Result<Vec<_>>>()?;
                Ok(length(answers.iter().map(|(id, text)| (id, text))))
            }
            Form::Spawned => {
                let tasks: Vec<_> = calls
                    .into_iter()
                    .map(|call| tokio::spawn(self.call(call)))
                    .collect();
                let mut answers = Vec::with_capacity(tasks.len());
                for task in tasks {
                    answers.push(task.await??);
                }
                Ok(length(answers.iter().map(|(id, text)| (id, text))))
            }
            Form::Halved => {
                let count = calls.len();
                let rest = calls.split_off(count / 2);
                let tasks = [
                    tokio::spawn(self.join(calls)),
                    tokio::spawn(self.join(rest)),
                ];
                let mut answers = Vec::with_capacity(count);
                for task in tasks {
                    for answer in task.await? {
                        answers.push(answer?);
                    }
                }
                Ok(length(answers.iter().map(|(id, text)| (id, text))))
            }
        }
    }

    /// Calls by hand, in one task.
    fn join(
        &self,
        calls: Vec<ToolCall>,
    ) -> JoinAll<impl Future<Output = serde_json::Result<(String, String)>> + Send + use<>> {
        join_all(calls.into_iter().map(|call| self.call(call)))
    }

    /// One call by hand. The name is looked up at once, as by a dispatcher; a name that is not
    /// there is not measured.
    fn call(
        &self,
        call: ToolCall,
    ) -> impl Future<Output = serde_json::Result<(String, String)>> + Send + use<> {
        let run = self.by_hand[&*call.name];
        async move { Ok((call.id, run(call.arguments).await?)) }
    }
}

fn length(answers: impl Iterator<Item = (impl AsRef<str>, impl AsRef<str>)>) -> usize {
    answers
        .map(|(id, text)| id.as_ref().len() + text.as_ref().len())
        .sum()
}
