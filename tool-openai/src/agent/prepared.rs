//! What all requests of an agent have in common.

use std::sync::Arc;

use super::Config;
use crate::chat::{self, InvalidToolsError, Message, OfferedTools, Tools};
use crate::profile::Profile;

const PARALLEL_GUIDANCE: &str = "When you need several pieces of information and none of them depends on another, ask for all of them at \
once: put all of those tool calls into one message. Make a later call only when it needs the result of an earlier one.";

/// What all requests have in common: made once for an agent.
pub(super) struct Prepared {
    pub(super) profile: Profile,
    /// The tools as they are offered to the service.
    pub(super) tools: Tools,
    /// Why others are not.
    pub(super) left_out: Vec<InvalidToolsError>,
    pub(super) system: Option<Message>,
}

impl Config {
    pub(super) fn prepared(&self) -> Result<Arc<Prepared>, InvalidToolsError> {
        let prepared = self.prepared.get_or_init(|| self.prepare().map(Arc::new));
        prepared.clone()
    }

    fn prepare(&self) -> Result<Prepared, InvalidToolsError> {
        let of_model = self.model.profile();
        let profile = match &self.profile {
            Some(profile) => profile.clone().with_images_as_in(&of_model),
            None => of_model,
        };
        let offered = self.offer(&profile)?;
        let guidance = (self.parallel_guidance && !offered.is_empty()).then_some(PARALLEL_GUIDANCE);
        let instructions = self.instructions.as_deref().into_iter().chain(guidance);
        let instructions: Vec<&str> = instructions.collect();
        let system = (!instructions.is_empty()).then(|| Message::system(instructions.join("\n\n")));
        Ok(Prepared {
            profile,
            left_out: offered.left_out().to_vec(),
            tools: offered.into(),
            system,
        })
    }

    fn offer(&self, profile: &Profile) -> Result<OfferedTools, InvalidToolsError> {
        let tools = self.dispatcher.tools();
        let offered = chat::tools_for(tools, profile)?;
        if self.custom_tools.is_empty() {
            return Ok(offered);
        }
        let mut left_out = offered.left_out().to_vec();
        let mut offered = offered.into_vec();
        for (name, format) in &self.custom_tools {
            let definition = tools
                .definition(name)
                .ok_or_else(|| InvalidToolsError::NotText {
                    tool: name.clone(),
                    reason: "there is no such tool",
                })?;
            let custom = match chat::custom(definition, format) {
                Ok(custom) => custom,
                Err(error @ InvalidToolsError::NotText { .. }) => return Err(error),
                Err(_) => continue, // it is left out already
            };
            match offered.iter_mut().find(|tool| tool.function.name == *name) {
                Some(as_function) => *as_function = custom,
                None => {
                    left_out.retain(|error| error.tool() != Some(name));
                    offered.push(custom);
                }
            }
        }
        Ok(OfferedTools::new(offered, left_out))
    }
}
