//! What users see of the workspace as a whole; a module per topic.

mod agent;
mod http;
