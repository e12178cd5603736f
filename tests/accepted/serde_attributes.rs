use serde::{Deserialize, Deserializer};
use std::time::Duration;
use tool_core::{tool, toolbox, tools};

mod seconds {
    use super::*;

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| text.trim().to_owned())
}

fn first() -> u32 {
    1
}

/// Without a schema of its own.
#[derive(Clone, Copy, Deserialize)]
struct Bare(u32);

struct Limits;

impl Limits {
    fn most() -> usize {
        9
    }
}

/// Take everything that serde and schemars can say.
#[tool]
async fn everything(
    #[serde(rename = "type")] kind: String,
    #[serde(alias = "patientId", alias = "id")] patient_id: &str,
    #[serde(default)] flag: bool,
    #[serde(default = "first")] page: u32,
    #[serde(default = "Limits::most")]
    #[arg(range(1..=9))]
    limit: usize,
    #[serde(with = "seconds")]
    #[schemars(with = "u64")]
    pause: Duration,
    #[serde(deserialize_with = "trimmed")] name: String,
    #[serde(deserialize_with = "trimmed", default, alias = "remark")]
    #[arg(length(..=9), description = "A note.")]
    note: String,
    #[schemars(with = "u32")] bare: Bare,
    #[schemars(regex(pattern = "^P-[0-9]{5}$"))] code: String,
    #[schemars(extend("examples" = ["P-00001"]))] example: &str,
    #[schemars(email)] mail: Option<String>,
    #[schemars(schema_with = "any")] any: serde_json::Value,
    #[schemars(with = "u32")] optional: Option<Bare>,
    #[schemars(inner(regex(pattern = "^a")))] list: &[String],
    #[arg(default = Bare(1))]
    #[schemars(with = "u32")]
    defaulted: Bare,
) {
    let _ = (
        kind, patient_id, flag, page, limit, pause, name, note, bare.0, code, example, mail, any,
        optional, list, defaulted,
    );
}

fn any(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({})
}

struct Hospital;

#[toolbox]
impl Hospital {
    /// Take much of it in a method.
    #[tool]
    fn method(
        &self,
        #[serde(alias = "patientId")] patient_id: &str,
        #[serde(deserialize_with = "trimmed")] name: String,
        #[schemars(with = "u32")] bare: Bare,
        #[serde(default = "first")] page: u32,
    ) -> String {
        format!("{patient_id} {name} {} {page}", bare.0)
    }
}

#[test]
fn is_accepted() {
    assert_eq!(tools![everything, Hospital].with_state(Hospital).len(), 2);
}
