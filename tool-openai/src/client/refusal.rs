//! What a service says when it refuses.

use reqwest::StatusCode;
use tool_core::serde_json::{self, Value};

use crate::error::ModelError;
use crate::service_error::ServiceError;

/// What a service says when it refuses: `{"error": {"message", "code", …}}`, or as near as it gets.
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) code: Option<String>,
}

impl Refusal {
    pub(crate) fn read(body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        match ServiceError::of(&value) {
            Some(ServiceError { code, message, .. }) => Self { message, code },
            None => Self {
                message: excerpt(body),
                code: None,
            },
        }
    }

    pub(crate) fn into_error(self, status: StatusCode, model: &str) -> ModelError {
        let Self { message, code } = self;
        match status.as_u16() {
            401 => ModelError::Unauthorized { message },
            // Without this code it is the path that does not exist.
            404 if code.as_deref() == Some("model_not_found") || message.contains(model) => {
                ModelError::UnknownModel {
                    model: model.to_owned(),
                    message,
                }
            }
            404 => ModelError::Status {
                status: 404,
                code,
                message: format!("{message}; check `OPENAI_BASE_URL`"),
            },
            status => ModelError::Status {
                status,
                code,
                message,
            },
        }
    }
}

/// The beginning of a body, to be shown.
pub(crate) fn excerpt(body: &[u8]) -> String {
    const LONGEST: usize = 300;
    // four bytes make a character at most
    let body = String::from_utf8_lossy(body.get(..(LONGEST + 1) * 4).unwrap_or(body));
    match body.char_indices().nth(LONGEST) {
        _ if body.trim().is_empty() => "the body is empty".to_owned(),
        Some((end, _)) => format!("{}…", &body[..end]),
        None => body.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_in_every_dialect() {
        for (body, message, code) in [
            (
                r#"{"error":{"message":"no","code":"bad"}}"#,
                "no",
                Some("bad"),
            ),
            (
                r#"{"error":{"message":"no","code":401}}"#,
                "no",
                Some("401"),
            ),
            (r#"{"error":"no"}"#, "no", None),
            (r#"{"detail":"no"}"#, "no", None),
            ("<html>no</html>", "<html>no</html>", None),
            ("", "the body is empty", None),
        ] {
            let refusal = Refusal::read(body.as_bytes());
            assert_eq!(
                (refusal.message.as_str(), refusal.code.as_deref()),
                (message, code),
                "{body}"
            );
        }
    }

    #[test]
    fn an_excerpt_is_short_and_ends_between_characters() {
        for character in ["a", "é", "€", "🦀"] {
            assert_eq!(
                excerpt(character.repeat(5000).as_bytes()),
                format!("{}…", character.repeat(300))
            );
        }
        assert_eq!(excerpt(&[b'a', 0xff]), "a\u{fffd}");
    }
}
