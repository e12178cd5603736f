//! What a trace shows of a run: OpenTelemetry's conventions for generative AI. One span for the run,
//! one below it for each request to the model; those of tools are the dispatcher's.

use tool_core::serde_json::Value;
use tracing::{Level, Span, field};

use super::{AgentEvent, Config, LeftOutTool};
use crate::chat::{Completion, Usage};
use crate::error::{AgentError, ModelError};

/// The span around a run, below the one that is entered now.
pub(super) fn of_run(config: &Config) -> Span {
    let name = config.name.as_deref();
    tracing::span!(
        Level::INFO,
        "invoke_agent",
        otel.name = name.map_or_else(
            || "invoke_agent".to_owned(),
            |name| format!("invoke_agent {name}")
        ),
        otel.kind = "internal",
        gen_ai.operation.name = "invoke_agent",
        gen_ai.agent.name = name,
        gen_ai.request.model = config.model_name,
        gen_ai.usage.input_tokens = field::Empty,
        gen_ai.usage.output_tokens = field::Empty,
        error.type = field::Empty,
        otel.status_code = field::Empty,
        otel.status_description = field::Empty,
    )
}

/// The span around one request to the model.
pub(super) fn of_request(model: &str, streamed: bool) -> Span {
    tracing::span!(
        Level::INFO,
        "chat",
        otel.name = format!("chat {model}"),
        otel.kind = "client",
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = "openai",
        gen_ai.request.model = model,
        gen_ai.request.stream = streamed,
        gen_ai.response.model = field::Empty,
        gen_ai.response.id = field::Empty,
        gen_ai.response.finish_reasons = field::Empty,
        gen_ai.usage.input_tokens = field::Empty,
        gen_ai.usage.output_tokens = field::Empty,
        gen_ai.usage.cache_read.input_tokens = field::Empty,
        gen_ai.usage.reasoning.output_tokens = field::Empty,
        tool_openai.request_id = field::Empty,
        error.type = field::Empty,
        otel.status_code = field::Empty,
        otel.status_description = field::Empty,
    )
}

/// Notes what had to be changed, in the span that is entered now.
pub(super) fn note_event(event: &AgentEvent) {
    match event {
        AgentEvent::HistoryRepaired(repairs) => {
            tracing::info!(repairs = repairs.len(), "history repaired");
        }
        AgentEvent::ToolsLeftOut(tools) => {
            for LeftOutTool { tool, reason, .. } in tools {
                tracing::warn!(tool, reason, "tool left out");
            }
        }
        AgentEvent::ToolCallReady { call, repairs, .. } => {
            for repair in repairs {
                tracing::info!(tool = call.name, repair = %repair, "call repaired");
            }
        }
        _ => {}
    }
}

/// Notes what was answered.
pub(super) fn note_answer(span: &Span, completion: &Completion) {
    let text = |key: &str| completion.extra.get(key).and_then(Value::as_str);
    for (field, value) in [
        ("gen_ai.response.model", text("model")),
        ("gen_ai.response.id", text("id")),
        ("tool_openai.request_id", completion.request_id()),
    ] {
        if let Some(value) = value {
            span.record(field, value);
        }
    }
    let reasons = completion.choices.iter();
    let reasons = reasons.filter_map(|choice| choice.finish_reason.as_deref());
    let reasons: Vec<&str> = reasons.collect();
    span.record("gen_ai.response.finish_reasons", reasons.join(","));
    if let Some(usage) = &completion.usage {
        note_usage(span, usage);
        let detail = |of: &str, key: &str| usage.extra.get(of)?.get(key)?.as_u64();
        if let Some(cached) = detail("prompt_tokens_details", "cached_tokens") {
            span.record("gen_ai.usage.cache_read.input_tokens", cached);
        }
        if let Some(reasoning) = detail("completion_tokens_details", "reasoning_tokens") {
            span.record("gen_ai.usage.reasoning.output_tokens", reasoning);
        }
    }
    for repair in completion.request_repairs() {
        tracing::info!(parent: span, repair = %repair, "request repaired");
    }
}

pub(super) fn note_usage(span: &Span, usage: &Usage) {
    span.record("gen_ai.usage.input_tokens", usage.prompt_tokens);
    span.record("gen_ai.usage.output_tokens", usage.completion_tokens);
}

pub(super) fn note_model_error(span: &Span, error: &ModelError) {
    note_error(span, &model_error_type(error));
    if let Some(id) = error.request_id() {
        span.record("tool_openai.request_id", id);
    }
}

pub(super) fn note_run_error(span: &Span, error: &AgentError) {
    note_error(span, &error_type(error));
}

/// A word of few: that of the model's error, or what kind of error it is.
pub(crate) fn error_type(error: &AgentError) -> String {
    match error {
        AgentError::Model { source, .. } => model_error_type(source),
        error => error.kind().to_owned(),
    }
}

pub(super) fn note_error(span: &Span, kind: &str) {
    span.record("error.type", kind);
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", kind);
}

/// A value of few variants: the status, or the kind of error.
fn model_error_type(error: &ModelError) -> String {
    match error {
        ModelError::Status { status, .. } => status.to_string(),
        ModelError::Unauthorized { .. } => "401".to_owned(),
        ModelError::UnknownModel { .. } => "404".to_owned(),
        ModelError::Configuration(_) => "configuration".to_owned(),
        ModelError::Transport { .. } => "transport".to_owned(),
        ModelError::InvalidResponse { .. } => "invalid_response".to_owned(),
        ModelError::StreamError { .. } => "stream_error".to_owned(),
        ModelError::Interrupted { .. } => "interrupted".to_owned(),
        ModelError::Other(_) => "_OTHER".to_owned(),
    }
}
