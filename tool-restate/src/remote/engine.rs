//! The client of the engine: lists services, and stops calls.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use super::RemoteError;
use super::recovery::Recovery;
use crate::wire::HANDLER;

/// How long an engine that has accepted nothing may be unreachable.
pub(crate) const UNREACHABLE_TIME: Duration = Duration::from_secs(10);

/// How long an answer of its administration may take.
pub(crate) const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The waits before it is asked again, without an end.
pub(crate) fn waits() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(1))
        .with_jitter()
        .without_max_times()
        .build()
}

/// Where calls are sent.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    pub(crate) http: Client,
    pub(crate) ingress: String,
    pub(crate) admin: String,
    pub(super) recovery: Arc<Recovery>,
}

#[derive(Deserialize)]
struct Services {
    services: Vec<Described>,
}

/// A service as the engine describes it.
#[derive(Deserialize)]
pub(crate) struct Described {
    pub(crate) name: String,
    #[serde(default)]
    pub(super) documentation: Option<String>,
    #[serde(default)]
    pub(super) metadata: std::collections::HashMap<String, String>,
    #[serde(default)]
    pub(super) handlers: Vec<DescribedHandler>,
}

#[derive(Deserialize)]
pub(super) struct DescribedHandler {
    pub(super) name: String,
    #[serde(default)]
    pub(super) input_json_schema: Option<Value>,
}

impl Engine {
    pub(crate) fn new(ingress: &str, admin: &str) -> Result<Self, RemoteError> {
        let http = Client::builder().connect_timeout(Duration::from_secs(2));
        Ok(Self {
            http: http.build().map_err(RemoteError::Unreachable)?,
            ingress: ingress.trim_end_matches('/').to_owned(),
            admin: admin.trim_end_matches('/').to_owned(),
            recovery: Arc::default(),
        })
    }

    pub(crate) async fn services(&self) -> Result<Vec<Described>, RemoteError> {
        let request = self.http.get(format!("{}/services", self.admin));
        let answer = request.timeout(ADMIN_TIMEOUT).send();
        let answer = answer.await.map_err(RemoteError::Unreachable)?;
        let answer = answer
            .error_for_status()
            .map_err(RemoteError::NotAnEngine)?;
        let listed: Services = answer.json().await.map_err(RemoteError::NotAnEngine)?;
        Ok(listed.services)
    }

    /// Waits until an engine that has just started takes calls; it lists its services before that.
    /// Many calls that wait for it would keep it from becoming ready.
    pub(super) async fn ready(&self, service: &str) {
        let output = format!("restate/invocation/{service}/{HANDLER}/none/output");
        let request = self.http.get(format!("{}/{output}", self.ingress));
        // Any answer will do, "not found" for example. A call says what is wrong, if there is none.
        _ = request.timeout(ADMIN_TIMEOUT).send().await;
    }

    /// The ids of invocations that are not over.
    pub(crate) async fn running(&self, which: &str) -> Result<Vec<String>, reqwest::Error> {
        #[derive(Deserialize)]
        struct Rows {
            rows: Vec<Row>,
        }
        #[derive(Deserialize)]
        struct Row {
            id: String,
        }
        let query =
            format!("SELECT id FROM sys_invocation WHERE {which} AND status != 'completed'");
        let found = self
            .http
            .post(format!("{}/query", self.admin))
            .header("accept", "application/json")
            .json(&json!({"query": query}))
            .timeout(ADMIN_TIMEOUT)
            .send()
            .await?
            .error_for_status()?;
        let rows = found.json::<Rows>().await?.rows;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// Kills invocations that are not over, and returns how many that were.
    pub(crate) async fn kill(&self, which: &str) -> Result<usize, reqwest::Error> {
        let running = self.running(which).await?;
        for id in &running {
            let url = format!("{}/invocations/{id}/kill", self.admin);
            let answer = self.http.patch(url).timeout(ADMIN_TIMEOUT).send().await?;
            if !matches!(answer.status().as_u16(), 404 | 409) {
                answer.error_for_status()?; // it is not over by now
            }
        }
        Ok(running.len())
    }

    /// Kills what runs under the key, also if the engine is unreachable, or has not accepted the
    /// call yet.
    pub(super) async fn kill_for_sure(&self, service: &str, key: &str) {
        let waits = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(100))
            .with_max_times(10) // about a minute
            .build();
        let (service, key) = (quoted(service), quoted(key));
        let which = format!("target_service_name = {service} AND idempotency_key = {key}");
        let mut unseen = 0;
        for wait in waits {
            match self.kill(&which).await {
                Ok(0) if unseen == 3 => return, // it has ended
                Ok(0) => unseen += 1,
                Ok(_) => return,
                Err(error) => tracing::debug!(%error, service, "a call cannot be stopped yet"),
            }
            tokio::time::sleep(wait).await;
        }
        tracing::warn!(service, "an abandoned call could not be stopped");
    }
}

/// Text in a query.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
