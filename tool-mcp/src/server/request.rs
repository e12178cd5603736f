//! What the state of a request is made of.

use std::fmt;

use http::{Extensions, HeaderMap};
use rmcp::model::Implementation;
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Value;

/// The context of a request: headers, and what layers in front have added.
#[derive(Clone, Copy)]
pub struct RequestParts<'a> {
    http: Option<&'a http::request::Parts>,
    context: &'a RequestContext<RoleServer>,
}

impl<'a> RequestParts<'a> {
    pub(super) fn new(context: &'a RequestContext<RoleServer>) -> Self {
        Self {
            http: context.extensions.get(),
            context,
        }
    }

    /// The headers of the HTTP request; `None` over stdio.
    pub fn headers(&self) -> Option<&'a HeaderMap> {
        self.http.map(|parts| &parts.headers)
    }

    /// A header of the HTTP request, if it is text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers()?.get(name)?.to_str().ok()
    }

    /// What a layer in front has put into the request's extensions: the claims of a token that it
    /// has verified, for example.
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&'a T> {
        self.http_extensions()?.get()
    }

    fn http_extensions(&self) -> Option<&'a Extensions> {
        self.http.map(|parts| &parts.extensions)
    }

    /// A field of the call's `_meta`.
    pub fn meta(&self, key: &str) -> Option<&'a Value> {
        self.context.meta.0.0.get(key)
    }

    /// The client's name and version.
    pub fn client(&self) -> Option<(String, String)> {
        let Implementation { name, version, .. } = self.context.client_info()?;
        Some((name, version))
    }
}

// By hand: headers and extensions hold secrets.
impl fmt::Debug for RequestParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .headers()
            .map(|headers| headers.keys().collect::<Vec<_>>());
        f.debug_struct("RequestParts")
            .field("headers", &names)
            .field("client", &self.client())
            .finish_non_exhaustive()
    }
}
