//! Keys and passwords of the program: some services repeat them in their errors.

use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::HeaderMap;

use crate::error::ModelError;

/// What replaces a secret.
const REDACTED: &str = "[redacted]";

/// Shorter values are not secrets; they are common words.
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
        let keys = headers.values().flat_map(|value| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            // Behind a scheme: `Bearer`, `Basic`, `Token`.
            let key = value.split_once(' ').map(|(_, key)| key.to_owned());
            [key.filter(|key| !key.contains(' ')), Some(value)]
        });
        let keys = keys.flatten();
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let in_both_forms = |text: &str| [text.to_owned(), decoded(text)];
        let query = base.query().unwrap_or_default().split('&');
        let query = query.filter_map(|pair| Some(pair.split_once('=')?.1));
        let query = query.flat_map(in_both_forms);
        let has = |part: &str, is: fn(&char) -> bool| part.chars().any(|c| is(&c));
        let is_key = |part: &&str| {
            part.len() >= SHORTEST_IN_PATH
                && has(part, char::is_ascii_digit)
                && has(part, char::is_ascii_alphabetic)
        };
        let path = base.path().split('/').filter(is_key);
        let path = path.flat_map(in_both_forms);
        let user = [base.username(), base.password().unwrap_or_default()];
        let user = user.into_iter().flat_map(in_both_forms);
        let all = keys
            .chain(query)
            .chain(user)
            .filter(|value| value.len() >= SHORTEST);
        let mut secrets: Vec<String> = all.chain(path).collect();
        // As JSON may have them.
        let slashes = |secret: &String| {
            let escaped = secret.replace('/', "\\/");
            (escaped != *secret).then_some(escaped)
        };
        let escaped: Vec<String> = secrets.iter().filter_map(slashes).collect();
        secrets.extend(escaped);
        // The longest first: one may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// The text without them. Where it was cut, `…` says so: a part of one may be before it.
    pub(super) fn redact(&self, text: &str) -> String {
        let redact = |text: String, secret: &String| text.replace(secret.as_str(), REDACTED);
        let text = self.0.iter().fold(text.to_owned(), redact);
        let pieces: Vec<String> = text
            .split('…')
            .map(|piece| self.without_part(piece))
            .collect();
        let last = text.rsplit('…').next().unwrap_or_default();
        match pieces.split_last() {
            Some((_, [])) | None => text,
            Some((_, cut)) => format!("{}…{last}", cut.join("…")),
        }
    }

    /// A text without the beginning of a secret that it ends with.
    fn without_part(&self, cut: &str) -> String {
        let part_of = |secret: &String| {
            let mut ends = (SHORTEST_PART..secret.len()).rev();
            ends.find(|end| secret.get(..*end).is_some_and(|part| cut.ends_with(part)))
        };
        match self.0.iter().filter_map(part_of).max() {
            Some(part) => format!("{}{REDACTED}", &cut[..cut.len() - part]),
            None => cut.to_owned(),
        }
    }

    /// The error without them, in all text of the service.
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
    fn a_key_is_hidden_behind_any_scheme_and_in_any_escape() {
        let service = Service::new("http://h/v1?key=abc%2Bdef%2F12345678")
            .unwrap()
            .with_header("authorization", "Token sk-hunter2/hunter2")
            .unwrap();
        let secrets = service.secrets();
        for shown in [
            "bad token: sk-hunter2/hunter2",
            r"bad token: sk-hunter2\/hunter2",
            "?key=abc%2Bdef%2F12345678",
            "?key=abc+def/12345678",
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
            let text = format!("the key {}…; check it", &key[..length]);
            assert_eq!(
                secrets.redact(&text),
                format!("the key {REDACTED}…; check it")
            );
        }
        assert_eq!(secrets.redact("the key sk…"), "the key sk…");
        assert_eq!(
            secrets.redact("it ends in sk-hunter"),
            "it ends in sk-hunter"
        );
    }
}
