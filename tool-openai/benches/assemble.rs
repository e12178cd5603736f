//! How long it takes to put a stream together, beside reading its chunks as JSON values alone:
//! `cargo bench -p tool-openai`.
//!
//! The stream calls a tool 200 times, one call after the other, a few bytes of arguments a chunk.
//! As in the benches of `tool-core`, what counts is the ratio within a round, so the forms take
//! turns; `-- --quick` takes fewer rounds.

use std::env;
use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::{Value, from_str, json};
use tool_core::serde_json;
use tool_openai::Assembler;
use tool_openai::chat::ChatAssembler;

const CALLS: usize = 200;

/// What assembling may take, in times of what reading takes.
const MOST: f64 = 1.5;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn chunk(delta: Value, finish_reason: Option<&str>) -> String {
    json!({
        "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "object": "chat.completion.chunk", "created": 1_741_570_283, "model": "gpt-4o-2024-08-06",
        "service_tier": "default", "system_fingerprint": "fp_44709d6fcb",
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}],
        "usage": null, "obfuscation": "a8x2Lq",
    })
    .to_string()
}

fn chunks() -> Vec<String> {
    let mut chunks = vec![chunk(
        json!({"role": "assistant", "content": null, "refusal": null}),
        None,
    )];
    for call in 0..CALLS {
        let function = json!({"name": "get_patient", "arguments": ""});
        let opening = json!({"index": call, "id": format!("call_{call:024}"), "type": "function", "function": function});
        chunks.push(chunk(json!({"tool_calls": [opening]}), None));
        for text in [
            "{\"", "patient", "_id", "\":\"", "P-10", "23", "\",\"", "limit", "\":", "20", "}",
        ] {
            chunks.push(chunk(
                json!({"tool_calls": [{"index": call, "function": {"arguments": text}}]}),
                None,
            ));
        }
    }
    chunks.push(chunk(json!({}), Some("tool_calls")));
    chunks
}

fn read(chunks: &[String]) -> Result<()> {
    for chunk in chunks {
        black_box(from_str::<Value>(chunk)?);
    }
    Ok(())
}

fn assemble(chunks: &[String]) -> Result<()> {
    let mut assembler = ChatAssembler::new();
    for chunk in chunks {
        black_box(assembler.push_text(chunk)?);
    }
    finish(assembler)
}

fn assemble_bytes(body: &[u8], part: usize) -> Result<()> {
    let mut assembler = ChatAssembler::new();
    for part in body.chunks(part) {
        black_box(assembler.push_bytes(part)?);
    }
    finish(assembler)
}

fn finish(mut assembler: ChatAssembler) -> Result<()> {
    assembler.push_text("[DONE]")?;
    let completion = assembler.finish()?;
    let found = completion
        .choices
        .first()
        .map_or(0, |choice| choice.message.tool_calls.len());
    if found == CALLS {
        Ok(())
    } else {
        Err(format!("{found} calls instead of {CALLS}").into())
    }
}

fn time(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> Result<()> {
    let is_given = |option| env::args().any(|argument| argument == option);
    if !is_given("--bench") {
        return Ok(()); // `cargo test --all-targets` runs it too
    }
    let rounds = if is_given("--quick") { 21 } else { 201 };
    let chunks = chunks();
    let body: String = chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\n\n"))
        .collect();
    let mut forms = [
        ("chunks", Vec::new()),
        ("bytes, 1400 at a time", Vec::new()),
        ("bytes, one by one", Vec::new()),
    ];
    for _ in 0..rounds {
        let bare = time(|| read(&chunks))?;
        let took = [
            time(|| assemble(&chunks))?,
            time(|| assemble_bytes(body.as_bytes(), 1400))?,
            time(|| assemble_bytes(body.as_bytes(), 1))?,
        ];
        for ((_, ratios), took) in forms.iter_mut().zip(took) {
            ratios.push(took.as_secs_f64() / bare.as_secs_f64());
        }
    }
    println!(
        "{CALLS} calls in {} chunks, medians of {rounds} rounds, in times of reading the chunks as JSON values",
        chunks.len()
    );
    for (form, ratios) in forms {
        println!("{form:24}{:6.2}", median(ratios));
    }
    println!("to reach, for chunks: at most {MOST}");
    Ok(())
}
