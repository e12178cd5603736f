//! The cards: what the four queries have found.

use maud::{Markup, html};
use serde_json::Value;

use crate::chart::in_range;
use crate::store::Run;
use crate::view::{Call, View};

/// The cards: a tool, and what it is about.
pub(crate) const CARDS: [(&str, &str); 4] = [
    ("get_patient_demographics", "Demographics"),
    ("get_patient_medications", "Medications"),
    ("get_patient_allergies", "Allergies"),
    ("get_recent_lab_results", "Laboratory results"),
];

/// What a tool has found, or why it has not.
pub(crate) fn card(run: &Run, view: &View, tool: &str) -> Markup {
    let Some((number, call)) = view.latest(tool) else {
        return html! { p.soft { @if view.is_over() { "Not asked for." } @else { "Waiting for the model." } } };
    };
    if call.is_running() {
        return html! { p aria-busy="true" { "Loading…" } };
    }
    if let Some((code, message)) = call.error() {
        return html! {
            p.bad role="alert" { (message) " (" (code.as_str()) ")" }
            @if view.is_over() && !call.is_held() {
                form method="post" action={"/runs/" (run.id) "/calls/" (number) "/retry"} { button { "Retry" } }
            }
        };
    }
    let found = found(call);
    match tool {
        "get_patient_demographics" => demographics(&found),
        "get_patient_medications" => medications(&found),
        "get_patient_allergies" => allergies(&found),
        _ => lab_results(&found),
    }
}

fn found(call: &Call) -> Value {
    let content = call.result.as_ref().map(tool_core::ToolResult::content);
    content
        .and_then(|content| serde_json::from_str(&content).ok())
        .unwrap_or_default()
}

fn demographics(found: &Value) -> Markup {
    let rows = [
        ("Name", "name"),
        ("Born", "date_of_birth"),
        ("Phone", "phone"),
        ("E-mail", "email"),
    ];
    html! { dl { @for (title, key) in rows { dt { (title) } dd { (or_none(&found[key])) } } } }
}

fn medications(found: &Value) -> Markup {
    table(
        &found["medications"],
        &[
            ("Drug", "drug"),
            ("Dose", "dose"),
            ("Frequency", "frequency"),
            ("Route", "route"),
        ],
    )
}

fn allergies(found: &Value) -> Markup {
    table(
        &found["allergies"],
        &[
            ("Allergen", "allergen"),
            ("Reaction", "reaction"),
            ("Severity", "severity"),
        ],
    )
}

fn table(entries: &Value, columns: &[(&str, &str)]) -> Markup {
    let entries = entries.as_array().map_or(&[][..], Vec::as_slice);
    if entries.is_empty() {
        return html! { p { "None documented." } };
    }
    html! {
        table {
            thead { tr { @for (title, _) in columns { th scope="col" { (title) } } } }
            tbody { @for entry in entries { tr { @for (_, key) in columns { td { (or_none(&entry[*key])) } } } } }
        }
    }
}

fn lab_results(found: &Value) -> Markup {
    let entries = found["lab_results"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if entries.is_empty() {
        return html! { p { "None documented." } };
    }
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    html! {
        table {
            thead { tr { th scope="col" { "Test" } th scope="col" { "Result" } th scope="col" { "Reference range" } } }
            tbody {
                @for entry in entries {
                    @let (result, range) = (text(entry, "result"), text(entry, "reference_range"));
                    tr {
                        td { (text(entry, "test")) br; span.soft { (text(entry, "collected")) } }
                        td {
                            (result) " " (text(entry, "unit")) " "
                            @if let Some(flag) = entry["flag"].as_str() { span.flag { (flag) } }
                        }
                        td { (range) @if let Some(drawn) = in_range(&result, &range) { (drawn) } }
                    }
                }
            }
        }
    }
}

fn or_none(value: &Value) -> String {
    match value {
        Value::Null => "not recorded".to_owned(),
        value => plain(value),
    }
}

pub(crate) fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
