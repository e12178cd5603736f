//! The URLs of a service: read, extended, and shown without their secrets.

use reqwest::Url;

use crate::error::ModelError;

pub(super) const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";

pub(super) fn parse(base_url: &str) -> Result<Url, ModelError> {
    // It is not shown: it may carry a password, or be a key that was set in its place.
    let invalid = |why: String| {
        ModelError::Configuration(format!(
            "the base URL {why}; write `{OPENAI_BASE_URL}`, for example"
        ))
    };
    let url = Url::parse(base_url).map_err(|error| invalid(format!("cannot be read ({error})")))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(invalid(format!("has the scheme `{other}`"))),
    }
}

/// The URL of `path` below `base`, whose query it keeps. The base may be that of an endpoint, as
/// documentation often shows it.
pub(super) fn below(base: &Url, path: &str) -> Url {
    const ENDPOINTS: [&str; 2] = ["/chat/completions", "/responses"];
    let whole = base.path().trim_end_matches('/');
    let endpoint = ENDPOINTS.iter().find_map(|end| whole.strip_suffix(end));
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", endpoint.unwrap_or(whole)));
    url
}

/// A URL may carry a password, and its query a key.
pub(super) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// Requests to loopback use no proxy, whatever `HTTP_PROXY` says.
pub(super) fn is_loopback(url: &Url) -> bool {
    url.host_str()
        .is_some_and(|host| host == "localhost" || host == "[::1]" || host.starts_with("127."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_below_the_base_url_and_keeps_its_query() {
        for (base, expected) in [
            (
                "http://localhost:1/v1",
                "http://localhost:1/v1/chat/completions",
            ),
            (
                "http://localhost:1/v1/",
                "http://localhost:1/v1/chat/completions",
            ),
            ("http://localhost:1", "http://localhost:1/chat/completions"),
            (
                "https://h/deployments/d?api-version=1",
                "https://h/deployments/d/chat/completions?api-version=1",
            ),
            (
                "https://h/v1/chat/completions/?a=b",
                "https://h/v1/chat/completions?a=b",
            ),
            ("https://h/v1/responses", "https://h/v1/chat/completions"),
            ("https://h/responses", "https://h/chat/completions"),
        ] {
            assert_eq!(
                below(&parse(base).unwrap(), "chat/completions").as_str(),
                expected
            );
        }
        for wrong in ["", "localhost:1/v1", "ftp://host/v1"] {
            assert!(
                matches!(parse(wrong), Err(ModelError::Configuration(_))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn no_secret_of_a_url_is_shown() {
        let url = parse("http://user:hunter2@127.0.0.1:1/v1?key=hunter3").unwrap();
        assert_eq!(shown(&url), "http://127.0.0.1:1/v1");
        for wrong in [
            "htp://user:hunter2@127.0.0.1:1/v1?key=hunter3",
            "http://user:hunter2@127.0.0.1:port/v1",
            "sk-hunter4",
        ] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(
                error.starts_with("the base URL ") && !error.contains("hunter"),
                "{error}"
            );
        }
    }
}
