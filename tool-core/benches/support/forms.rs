//! Three ways to answer all calls of a message in order.

use std::collections::HashMap;

use futures_util::future::join_all;
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
}

impl Form {
    /// In the order of the table's columns.
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Joined, Self::Spawned];
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
        let dispatcher = Dispatcher::new(tools::by_attribute()).with_limits(|limits| (limits.calls, limits.queue) = (MOST, MOST));
        Self { dispatcher: set_up(dispatcher), by_hand: tools::by_hand() }
    }

    /// Answers a message and reads the answers: how many bytes they have, ids included.
    pub(crate) async fn answer(&self, form: Form, calls: Vec<ToolCall>) -> Result<usize> {
        match form {
            Form::Ours => Ok(length(self.dispatcher.dispatch(calls).await.iter().map(|result| (result.id(), result.content())))),
            Form::Joined => {
                let answers: Vec<_> = join_all(calls.into_iter().map(|call| self.call(call))).await;
                let answers = answers.into_iter().collect::<serde_json::Result<Vec<_>>>()?;
                Ok(length(answers.iter().map(|(id, text)| (id, text))))
            }
            Form::Spawned => {
                let tasks: Vec<_> = calls.into_iter().map(|call| tokio::spawn(self.call(call))).collect();
                let mut answers = Vec::with_capacity(tasks.len());
                for task in tasks {
                    answers.push(task.await??);
                }
                Ok(length(answers.iter().map(|(id, text)| (id, text))))
            }
        }
    }

    /// One call by hand. The name is looked up at once, as by a dispatcher; a name that is not there is not measured.
    fn call(&self, call: ToolCall) -> impl Future<Output = serde_json::Result<(String, String)>> + Send + use<> {
        let run = self.by_hand[&*call.name];
        async move { Ok((call.id, run(call.arguments).await?)) }
    }
}

fn length(answers: impl Iterator<Item = (impl AsRef<str>, impl AsRef<str>)>) -> usize {
    answers.map(|(id, text)| id.as_ref().len() + text.as_ref().len()).sum()
}
