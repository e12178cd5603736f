use tool_core::{tool, tools};

/// Say everything of it.
#[tool(
    timeout = "none",
    concurrency = 4,
    exclusive,
    serialize_by(patient, kind),
    read_only,
    idempotent,
    retry(attempts = 5, backoff = "50ms", max_backoff = "2s"),
    strict
)]
async fn everything(
    patient: &str,
    #[arg(name = "type")] kind: Option<u32>,
    other: bool,
) -> Result<usize, std::io::Error> {
    let _ = (kind, other);
    Ok(patient.len())
}

/// Say little of it.
#[tool(destructive, idempotent, retry, inline, r#strict)]
fn little(#[arg(name = "thing")] r#type: u32) -> u32 {
    r#type
}

/// Say less of it.
#[tool(retry(), read_only, concurrency = 1, serialize_by(r#type,))]
fn less(r#type: u32) -> u32 {
    r#type
}

/// Say it in another order.
#[tool(
    retry(max_backoff = "1h", attempts = 2,),
    read_only,
    concurrency = 0x10
)]
fn reordered() {}

#[test]
fn is_accepted() {
    assert_eq!(tools![everything, little, less, reordered].len(), 4);
}
