//! An API key that is requested before each request, for keys that change.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use tokio::time::timeout;

use crate::error::{ModelError, chain};

/// Keys that are remembered, so that they are not shown.
const MOST_KEYS: usize = 8;

type BoxError = Box<dyn Error + Send + Sync>;
type Key = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;

/// Where keys come from.
#[derive(Clone)]
pub(super) struct KeySource {
    ask: Arc<dyn Fn() -> Key + Send + Sync>,
    /// The latest ones, which must not be shown either: answers to requests with them may be
    /// in flight.
    latest: Arc<Mutex<VecDeque<HeaderValue>>>,
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

    /// The header with the key, if it comes in time.
    pub(super) async fn header(&self, limit: Duration) -> Result<HeaderMap, ModelError> {
        let none =
            |why: String| ModelError::Configuration(format!("the source of keys gave none: {why}"));
        let key = timeout(limit, (self.ask)()).await;
        let key = key.map_err(|_| none(format!("nothing came for {limit:?}")))?;
        let key = bearer(&key.map_err(|error| none(chain(&*error)))?)?;
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if !latest.contains(&key) {
            latest.truncate(MOST_KEYS - 1);
            latest.push_front(key.clone());
        }
        Ok(HeaderMap::from_iter([(AUTHORIZATION, key)]))
    }

    /// Headers with the latest keys.
    pub(super) fn latest(&self) -> HeaderMap {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut headers = HeaderMap::new();
        for key in latest.iter() {
            headers.append(AUTHORIZATION, key.clone());
        }
        headers
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
            "the API key contains a character that no key has; copy it again".to_owned(),
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}
