//! Keys and passwords of the program: some services repeat them in their errors.

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue};

use crate::error::ModelError;

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// Shorter values are no secrets, and words of many sentences.
const SHORTEST: usize = 8;

/// A part of a path is a secret from this length on, if it has letters and digits.
const SHORTEST_IN_PATH: usize = 20;

/// The values of headers, and those in the base URL: its password, its query, long parts of its
/// path.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub(super) fn of(base: &Url, headers: &HeaderMap) -> Self {
        let values = headers
            .values()
            .filter_map(|value| HeaderValue::to_str(value).ok());
        let keys = values.map(|value| value.strip_prefix("Bearer ").unwrap_or(value).to_owned());
        let query = base.query_pairs().map(|(_, value)| value.into_owned());
        let has = |part: &str, is: fn(&char) -> bool| part.chars().any(|c| is(&c));
        let is_key = |part: &&str| {
            part.len() >= SHORTEST_IN_PATH
                && has(part, char::is_ascii_digit)
                && has(part, char::is_ascii_alphabetic)
        };
        let path = base.path().split('/').filter(is_key).map(str::to_owned);
        let password = base.password().map(str::to_owned);
        let all = keys
            .chain(query)
            .chain(password)
            .filter(|value| value.len() >= SHORTEST);
        let mut secrets: Vec<String> = all.chain(path).collect();
        // The longest first: one may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// The text without them.
    pub(super) fn redact(&self, text: &str) -> String {
        let redact = |text: String, secret: &String| text.replace(secret.as_str(), REDACTED);
        self.0.iter().fold(text.to_owned(), redact)
    }

    /// The error without them, wherever it repeats the service's words.
    pub(super) fn redact_error(&self, error: ModelError) -> ModelError {
        let text = |text: String| self.redact(&text);
        match error {
            ModelError::Configuration(why) => ModelError::Configuration(text(why)),
            ModelError::Unauthorized { message } => ModelError::Unauthorized {
                message: text(message),
            },
            ModelError::UnknownModel { model, message } => ModelError::UnknownModel {
                model,
                message: text(message),
            },
            ModelError::Status {
                status,
                code,
                message,
            } => ModelError::Status {
                status,
                code: code.map(text),
                message: text(message),
            },
            ModelError::Transport { url, source } => ModelError::Transport {
                url: text(url),
                source,
            },
            ModelError::InvalidResponse { reason, body } => ModelError::InvalidResponse {
                reason: text(reason),
                body: text(body),
            },
            ModelError::StreamError {
                code,
                message,
                failed_generation,
            } => ModelError::StreamError {
                code: code.map(text),
                message: text(message),
                failed_generation: failed_generation.map(text),
            },
            error @ (ModelError::Interrupted { .. } | ModelError::Other(_)) => error,
        }
    }
}
