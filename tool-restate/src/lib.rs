#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "agent")]
mod agent;
#[cfg(feature = "remote")]
mod remote;
#[cfg(any(feature = "remote", feature = "worker"))]
mod wire;
#[cfg(feature = "worker")]
mod worker;

#[cfg(feature = "agent")]
pub use agent::{HeldCalls, RemoteAgent, RunError, RunReply};
#[cfg(feature = "remote")]
pub use remote::{Remote, RemoteError};
#[cfg(feature = "worker")]
pub use worker::{RegisterError, Worker, register};
