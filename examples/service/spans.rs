//! A trace for people: each run as a tree of spans, printed when it is over.

use std::fmt::{Debug, Write};
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Prints trees to stderr. A real service sends spans to a collector, by `tracing-opentelemetry`.
pub(crate) struct Trees;

/// A span that is open.
struct Node {
    began: Instant,
    name: String,
    /// What else is known of it.
    notes: String,
    /// What was below it and is over, and its events: a line each.
    below: Vec<String>,
}

/// The fields that are worth a look.
impl Visit for Node {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        let value = value.trim_matches('"');
        let note = match field.name() {
            "otel.name" => return self.name = value.to_owned(),
            "gen_ai.usage.input_tokens" => format!("{value} tokens in"),
            "gen_ai.usage.output_tokens" => format!("{value} out"),
            "gen_ai.response.finish_reasons" | "error.type" => value.to_owned(),
            _ => return,
        };
        let _ = write!(self.notes, ", {note}"); // a string takes everything
    }
}

/// The message of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Trees {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !attributes.metadata().target().starts_with("tool_") {
            return;
        }
        if let Some(span) = context.span(id) {
            let mut node = Node {
                began: Instant::now(),
                name: span.name().to_owned(),
                notes: String::new(),
                below: Vec::new(),
            };
            attributes.record(&mut node);
            span.extensions_mut().insert(node);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(node) = span.extensions_mut().get_mut::<Node>()
        {
            values.record(node);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if let Some(span) = context.event_span(event)
            && event.metadata().target().starts_with("tool_")
            && let Some(node) = span.extensions_mut().get_mut::<Node>()
        {
            let mut message = Message(String::new());
            event.record(&mut message);
            node.below.push(format!("! {}", message.0));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let Some(node) = span.extensions_mut().remove::<Node>() else {
            return;
        };
        let line = format!(
            "{}: {} ms{}",
            node.name,
            node.began.elapsed().as_millis(),
            node.notes
        );
        let lines = [line]
            .into_iter()
            .chain(node.below.into_iter().map(|line| format!("  {line}")));
        let parent = span.parent();
        let mut parent = parent.as_ref().map(|parent| parent.extensions_mut());
        match parent.as_mut().and_then(|parent| parent.get_mut::<Node>()) {
            Some(parent) => parent.below.extend(lines),
            None => lines.for_each(|line| eprintln!("{line}")),
        }
    }
}
