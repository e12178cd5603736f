//! What a connection runs over.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::sync::Mutex;

use http::{HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::Command;

/// What a connection runs over. Made [from](From) a [`Command`](std::process::Command) or an
/// [`HttpTransport`], or by [`io`](Self::io).
pub struct Transport(pub(super) Kind);

pub(super) enum Kind {
    Command(Box<Command>),
    Http(HttpTransport),
    /// Until it is taken.
    Io(Mutex<Option<Pair>>),
}

pub(super) type Pair = (
    Box<dyn AsyncRead + Send + Unpin>,
    Box<dyn AsyncWrite + Send + Unpin>,
);

impl Transport {
    /// An existing connection: a socket, or a pipe. When it is lost, there is no other.
    pub fn io(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let pair: Pair = (Box::new(reader), Box::new(writer));
        Self(Kind::Io(Mutex::new(Some(pair))))
    }

    /// Whether there may be another connection after one.
    pub(super) fn is_reusable(&self) -> bool {
        !matches!(self.0, Kind::Io(_))
    }
}

/// The server is a process, started with this command. Its stdin and stdout carry the protocol; its
/// stderr is this program's, unless the command says otherwise.
impl From<Command> for Transport {
    fn from(command: Command) -> Self {
        Self(Kind::Command(Box::new(command)))
    }
}

impl From<std::process::Command> for Transport {
    fn from(command: std::process::Command) -> Self {
        Command::from(command).into()
    }
}

impl From<HttpTransport> for Transport {
    fn from(http: HttpTransport) -> Self {
        Self(Kind::Http(http))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Command(command) => f
                .debug_tuple("Command")
                .field(&command.as_std().get_program())
                .finish(),
            Kind::Http(http) => http.fmt(f),
            Kind::Io(_) => f.debug_tuple("Io").finish_non_exhaustive(),
        }
    }
}

/// Streamable HTTP.
///
/// ```
/// use tool_mcp::HttpTransport;
///
/// let transport = HttpTransport::new("https://example.com/mcp").with_bearer_token("token");
/// ```
#[derive(Clone)]
pub struct HttpTransport {
    pub(super) url: String,
    pub(super) headers: HashMap<HeaderName, HeaderValue>,
    pub(super) token: Option<String>,
    pub(super) client: Option<reqwest::Client>,
    /// What is wrong with the settings.
    pub(super) mistake: Option<String>,
}

impl HttpTransport {
    /// The endpoint of a server.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: HashMap::new(),
            token: None,
            client: None,
            mistake: None,
        }
    }

    /// Sends `Authorization: Bearer …` with each request.
    #[must_use]
    pub fn with_bearer_token(self, token: impl Into<String>) -> Self {
        let token = Some(token.into());
        Self { token, ..self }
    }

    /// Sends a header with each request. An invalid one is an error of
    /// [`connect`](crate::connect).
    #[must_use]
    pub fn with_header(
        mut self,
        name: impl TryInto<HeaderName, Error: Display>,
        value: impl TryInto<HeaderValue, Error: Display>,
    ) -> Self {
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) => _ = self.headers.insert(name, value),
            (Err(error), _) => self.mistake = Some(error.to_string()),
            (_, Err(error)) => self.mistake = Some(error.to_string()),
        }
        self
    }

    /// Sends requests by this client: its proxies, certificates and connections.
    #[must_use]
    pub fn with_http_client(self, client: reqwest::Client) -> Self {
        let client = Some(client);
        Self { client, ..self }
    }
}

// By hand: headers and tokens are secrets, and addresses may hold some.
impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = reqwest::Url::parse(&self.url).ok();
        let host = url.as_ref().and_then(|url| url.host_str());
        f.debug_struct("HttpTransport")
            .field("host", &host)
            .finish_non_exhaustive()
    }
}
