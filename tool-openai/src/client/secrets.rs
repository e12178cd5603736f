//! Keys and passwords of the program: some services repeat them in their errors.

use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue};

use crate::error::ModelError;

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// Shorter values are no secrets, and words of many sentences.
const SHORTEST: usize = 8;

/// So much of the beginning of a secret is not shown.
const SHORTEST_PART: usize = 4;

/// A part of a path is a secret from this length on, if it has letters and digits.
const SHORTEST_IN_PATH: usize = 20;

/// The values of headers, and those in the base URL: its user and password, as they are sent too,
/// its query, long parts of its path.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Of a base URL, and of the headers that go there.
    pub(super) fn of(base: &Url, headers: &HeaderMap) -> Self {
        let values = headers
            .values()
            .filter_map(|value| HeaderValue::to_str(value).ok());
        let keys = values.map(|value| {
            let schemes = ["Bearer ", "Basic "];
            let key = schemes.iter().find_map(|scheme| value.strip_prefix(scheme));
            key.unwrap_or(value).to_owned()
        });
        let query = base.query_pairs().map(|(_, value)| value.into_owned());
        let has = |part: &str, is: fn(&char) -> bool| part.chars().any(|c| is(&c));
        let is_key = |part: &&str| {
            part.len() >= SHORTEST_IN_PATH
                && has(part, char::is_ascii_digit)
                && has(part, char::is_ascii_alphabetic)
        };
        let path = base.path().split('/').filter(is_key).map(str::to_owned);
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = [base.username(), base.password().unwrap_or_default()];
        let user = user
            .into_iter()
            .flat_map(|text| [text.to_owned(), decoded(text)]);
        let all = keys
            .chain(query)
            .chain(user)
            .filter(|value| value.len() >= SHORTEST);
        let mut secrets: Vec<String> = all.chain(path).collect();
        // The longest first: one may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// The text without them. If it was cut, `…` says so: then it may end with a part of one.
    pub(super) fn redact(&self, text: &str) -> String {
        let redact = |text: String, secret: &String| text.replace(secret.as_str(), REDACTED);
        let text = self.0.iter().fold(text.to_owned(), redact);
        let Some(cut) = text.strip_suffix('…') else {
            return text;
        };
        let part_of = |secret: &String| {
            let mut ends = (SHORTEST_PART..secret.len()).rev();
            ends.find(|end| secret.get(..*end).is_some_and(|part| cut.ends_with(part)))
        };
        match self.0.iter().filter_map(part_of).max() {
            Some(part) => format!("{}{REDACTED}…", &cut[..cut.len() - part]),
            None => text,
        }
    }

    /// The error without them, wherever it repeats the service's words.
    pub(super) fn redact_error(&self, mut error: ModelError) -> ModelError {
        let redact = |text: &mut String| *text = self.redact(text);
        match &mut error {
            ModelError::Configuration(text)
            | ModelError::Unauthorized { message: text, .. }
            | ModelError::UnknownModel { message: text, .. }
            | ModelError::Transport { url: text, .. } => redact(text),
            ModelError::Status { code, message, .. } => {
                code.as_mut().map(redact);
                redact(message);
            }
            ModelError::InvalidResponse { reason, body, .. } => {
                redact(reason);
                redact(body);
            }
            ModelError::StreamError {
                code,
                message,
                failed_generation,
                ..
            } => {
                code.as_mut().map(redact);
                redact(message);
                failed_generation.as_mut().map(redact);
            }
            ModelError::Interrupted { .. } | ModelError::Other(_) => {}
        }
        let id = error.request_id().map(|id| self.redact(id));
        error.with_request_id(id.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::super::service::Service;
    use super::*;

    #[test]
    fn a_password_is_hidden_in_every_form_it_travels_in() {
        let service = Service::new("http://somebody:hunter%402hunter@h/v1").unwrap();
        let secrets = service.secrets();
        // "somebody:hunter@2hunter" in base64.
        for shown in [
            "Basic c29tZWJvZHk6aHVudGVyQDJodW50ZXI=",
            "hunter@2hunter",
            "hunter%402hunter",
            "user somebody",
        ] {
            let redacted = secrets.redact(shown);
            assert!(redacted.ends_with(REDACTED), "{shown}: {redacted}");
        }
    }

    #[test]
    fn a_text_that_ends_in_the_middle_of_a_secret_shows_nothing_of_it() {
        let key = "sk-hunter2-hunter2";
        let service = Service::new("http://h").unwrap().with_key(key).unwrap();
        let secrets = service.secrets();
        for length in SHORTEST_PART..=key.len() {
            let text = format!("the key {}…", &key[..length]);
            assert_eq!(secrets.redact(&text), format!("the key {REDACTED}…"));
        }
        assert_eq!(secrets.redact("the key sk…"), "the key sk…");
        assert_eq!(
            secrets.redact("it ends in sk-hunter"),
            "it ends in sk-hunter"
        );
    }
}
