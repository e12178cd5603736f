//! What users see of the workspace as a whole; a module per topic.

#[cfg(test)]
mod agent;
#[cfg(test)]
mod agreement;
#[cfg(test)]
mod arguments;
#[cfg(test)]
mod batches;
#[cfg(test)]
mod cancellation;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod dispatch;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod functions;
#[cfg(test)]
mod http;
#[cfg(test)]
mod runtime;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod state;
#[cfg(test)]
#[path = "../support.rs"]
mod support;
#[cfg(test)]
mod toolset;
#[cfg(test)]
mod waterfall;
