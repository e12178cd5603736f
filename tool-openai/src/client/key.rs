//! A key that is asked for before each request, for one that changes.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::error::{ModelError, chain};

type BoxError = Box<dyn Error + Send + Sync>;
type Key = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;

/// Where keys come from.
#[derive(Clone)]
pub(super) struct KeySource {
    ask: Arc<dyn Fn() -> Key + Send + Sync>,
    /// The header of the last one, which must not be shown either.
    latest: Arc<Mutex<Option<HeaderMap>>>,
}

impl KeySource {
    pub(super) fn new<F, E>(ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let ask = move || -> Key {
            let key = ask();
            Box::pin(async move { key.await.map_err(Into::into) })
        };
        Self {
            ask: Arc::new(ask),
            latest: Arc::default(),
        }
    }

    /// The header with the key.
    pub(super) async fn header(&self) -> Result<HeaderMap, ModelError> {
        let key = (self.ask)().await.map_err(|error| {
            let why = chain(&*error);
            ModelError::Configuration(format!("the source of keys gave none: {why}"))
        })?;
        let header = HeaderMap::from_iter([(AUTHORIZATION, bearer(&key)?)]);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = Some(header.clone());
        Ok(header)
    }

    pub(super) fn latest(&self) -> Option<HeaderMap> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.clone()
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySource").finish_non_exhaustive()
    }
}

/// The value of the header that holds a key.
pub(super) fn bearer(key: &str) -> Result<HeaderValue, ModelError> {
    let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| {
        ModelError::Configuration(
            "the API key contains a character that no key has; copy it anew".to_owned(),
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}
