#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "server")]
mod server;
#[cfg(any(feature = "client", feature = "server"))]
mod trace;
#[cfg(any(feature = "client", feature = "server"))]
mod wire;

#[cfg(feature = "client")]
pub use client::{Client, Connect, ConnectError, HttpTransport, Transport, connect};
#[cfg(feature = "server")]
pub use server::{HttpService, RequestParts, ServeError, Server, WeakKeyError};
