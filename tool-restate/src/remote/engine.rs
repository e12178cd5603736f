//! The engine, as a caller sees it: what it lists, and what it stops.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use super::RemoteError;

/// Where calls are sent.
pub(super) struct Engine {
    pub(super) http: Client,
    pub(super) ingress: String,
    pub(super) admin: String,
}

#[derive(Deserialize)]
struct Services {
    services: Vec<Described>,
}

/// A service as the engine describes it.
#[derive(Deserialize)]
pub(super) struct Described {
    pub(super) name: String,
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
    pub(super) async fn services(&self) -> Result<Vec<Described>, RemoteError> {
        let answer = self.http.get(format!("{}/services", self.admin)).send();
        let answer = answer.await.map_err(RemoteError::Unreachable)?;
        let answer = answer
            .error_for_status()
            .map_err(RemoteError::NotAnEngine)?;
        let listed: Services = answer.json().await.map_err(RemoteError::NotAnEngine)?;
        Ok(listed.services)
    }

    /// Kills what runs under the key. How many calls that were.
    async fn kill(&self, service: &str, key: &str) -> Result<usize, reqwest::Error> {
        #[derive(Deserialize)]
        struct Rows {
            rows: Vec<Row>,
        }
        #[derive(Deserialize)]
        struct Row {
            id: String,
        }
        let quoted = |text: &str| text.replace('\'', "''");
        let query = format!(
            "SELECT id FROM sys_invocation WHERE target_service_name = '{}' AND idempotency_key = '{}' AND status != 'completed'",
            quoted(service),
            quoted(key)
        );
        let found = self
            .http
            .post(format!("{}/query", self.admin))
            .header("accept", "application/json")
            .json(&json!({"query": query}))
            .send()
            .await?
            .error_for_status()?;
        let rows = found.json::<Rows>().await?.rows;
        for Row { id } in &rows {
            let url = format!("{}/invocations/{id}/kill", self.admin);
            self.http.patch(url).send().await?.error_for_status()?;
        }
        Ok(rows.len())
    }

    /// Kills what runs under the key, also if the engine is away, or has not taken the call yet.
    pub(super) async fn kill_for_sure(&self, service: &str, key: &str) {
        let waits = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(100))
            .with_max_times(10) // about a minute
            .build();
        let mut unseen = 0;
        for wait in waits {
            match self.kill(service, key).await {
                Ok(0) if unseen == 3 => return, // it has ended
                Ok(0) => unseen += 1,
                Ok(_) => return,
                Err(error) => tracing::debug!(%error, service, "a call cannot be stopped yet"),
            }
            tokio::time::sleep(wait).await;
        }
        tracing::warn!(service, "a call that nobody waits for could not be stopped");
    }
}
