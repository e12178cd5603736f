mod by_hand;
mod shared;

use std::collections::HashMap;

use by_hand::Tool;
use serde::Serialize;
use serde_json::{Value, json};
use shared::{Db, DbError};

#[derive(Serialize)]
struct Rows {
    patient_id: String,
    values: Vec<u32>,
    series: u32,
}

// each {
/// Look up series 000 of a patient.
async fn look_up_000(db: &Db, patient_id: &str, limit: Option<u32>, newest_first: bool) -> Result<Rows, DbError> {
    let mut values = db.find(patient_id).await?;
    if newest_first {
        values.reverse();
    }
    values.truncate(limit.unwrap_or(5) as usize);
    Ok(Rows { patient_id: patient_id.to_owned(), values, series: 1000 })
}

fn look_up_000_tool() -> Tool {
    Tool {
        description: "Look up series 000 of a patient.",
        parameters: json!({
            "type": "object",
            "properties": {
                "patient_id": { "type": "string", "description": "Patient ID (format: P-NNNNN)" },
                "limit": { "type": "integer", "description": "Number of values." },
                "newest_first": { "type": "boolean", "description": "Whether the newest come first." }
            },
            "required": ["patient_id"]
        }),
        run: |db, arguments| {
            Box::pin(async move {
                let arguments = parse(arguments)?;
                let patient_id = arguments.get("patient_id").and_then(Value::as_str).ok_or("`patient_id` must be a string")?;
                let limit = match arguments.get("limit") {
                    None | Some(Value::Null) => None,
                    Some(limit) => {
                        let limit = limit.as_u64().and_then(|limit| u32::try_from(limit).ok());
                        Some(limit.ok_or("`limit` must be a whole number")?)
                    }
                };
                let newest_first = match arguments.get("newest_first") {
                    None => false,
                    Some(flag) => flag.as_bool().ok_or("`newest_first` must be true or false")?,
                };
                let rows = look_up_000(db, patient_id, limit, newest_first).await.map_err(|error| error.to_string())?;
                serde_json::to_string(&rows).map_err(|error| error.to_string())
            })
        },
    }
}

// }

fn parse(arguments: &str) -> Result<Value, String> {
    serde_json::from_str(arguments).map_err(|error| error.to_string())
}

fn tools() -> HashMap<&'static str, Tool> {
    let mut tools = HashMap::new();
    // each {
    tools.insert("look_up_000", look_up_000_tool());
    // }
    tools
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    by_hand::run(&tools(), &Db::new())
}
