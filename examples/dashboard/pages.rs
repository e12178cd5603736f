//! The pages, and the parts of them that change while a run is under way.

use std::time::{Duration, UNIX_EPOCH};

use maud::{DOCTYPE, Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::cards::{CARDS, card, plain};
use crate::chart::{millis, timeline};
use crate::store::{Note, Patient, Run, now_us};
use crate::view::{Status, View};

/// What the page says about where its answers come from.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) model: String,
    pub(crate) database: String,
}

fn page(title: &str, about: &About, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href="data:,";
                script src="/page.js" defer {}
            }
            body {
                (content)
                footer.soft {
                    p { "Model: " (about.model) ". Database: " (about.database) ". Invented patients; not for clinical use." }
                }
            }
        }
    }
}

pub(crate) fn problem(title: &str, text: &str, about: &About) -> Markup {
    let content = html! {
        header { nav aria-label="Patients" { a href="/" { "All patients" } } }
        main { h1 { (title) } p role="alert" { (text) } }
    };
    page(title, about, &content)
}

pub(crate) fn patients(search: &str, patients: &[Patient], about: &About) -> Markup {
    let content = html! {
        header {
            h1 { "Patients" }
            search {
                form action="/" {
                    input type="search" name="q" value=(search) aria-label="Name or ID" placeholder="Name or ID" maxlength="100";
                    button { "Search" }
                }
            }
        }
        main {
            @if patients.is_empty() {
                p role="status" { "No patient matches." }
            } @else {
                table.card {
                    thead { tr { th scope="col" { "Name" } th scope="col" { "ID" } th scope="col" { "Born" } } }
                    tbody {
                        @for patient in patients {
                            tr {
                                td { a href=(path(&patient.id)) { (patient.name) } }
                                td { (patient.id) }
                                td { (patient.born) }
                            }
                        }
                    }
                }
            }
        }
    };
    page("Patients", about, &content)
}

/// A run on the page of its patient.
pub(crate) struct Shown<'a> {
    pub(crate) run: &'a Run,
    pub(crate) view: &'a View,
}

pub(crate) fn patient(
    patient: &Patient,
    shown: Option<&Shown<'_>>,
    runs: &[Run],
    notes: &[Note],
    about: &About,
) -> Markup {
    let none = View::default();
    let view = shown.map_or(&none, |shown| shown.view);
    let part = |id: &str| part(id, shown);
    let events = shown.filter(|shown| !shown.view.is_over());
    let events =
        events.map(|shown| format!("/runs/{}/events?after={}", shown.run.id, shown.view.seq));
    let content = html! {
        header {
            nav aria-label="Patients" { a href="/" { "All patients" } }
            h1 { (patient.name) }
            p.soft { (patient.id) ", born " (patient.born) }
        }
        main data-events=[events] {
            section.card aria-labelledby="run" {
                h2 #run { "Summary" }
                @if let Some(Shown { run, .. }) = shown { p.soft { "“" (run.prompt) "”, " (time(run.started_at)) } }
                p #status role="status" { (part("status")) }
                div #approval { (part("approval")) }
                div #summary.text { (part("summary")) }
                div #actions { (part("actions")) }
                @if !runs_now(view, shown) { (ask(patient, shown)) }
            }
            div.cards {
                @for (tool, title) in CARDS {
                    section class=(if tool == "get_recent_lab_results" { "card wide" } else { "card" }) aria-labelledby={"title-" (tool)} {
                        h2 id={"title-" (tool)} { (title) }
                        div id={"card-" (tool)} { (part(tool)) }
                    }
                }
            }
            section.card aria-labelledby="times" {
                h2 #times { "Timeline" }
                div #timeline { (part("timeline")) }
                p.soft #usage { (part("usage")) }
                details { summary { "Calls" } div #calls { (part("calls")) } }
            }
            section.card aria-labelledby="notes" {
                h2 #notes { "Notes" }
                @if notes.is_empty() { p.soft { "None." } }
                ul { @for note in notes { li { (note.text) " " span.soft { (time(note.written_at)) } } } }
            }
            section.card aria-labelledby="history" {
                h2 #history { "Run history" }
                @if runs.is_empty() { p.soft { "None." } }
                ul {
                    @for run in runs {
                        li {
                            a href={(path(&patient.id)) "?run=" (run.id)} { (run.prompt) }
                            " " span.soft { (time(run.started_at)) ", " (run.status) }
                        }
                    }
                }
            }
        }
    };
    page(&patient.name, about, &content)
}

fn runs_now(view: &View, shown: Option<&Shown<'_>>) -> bool {
    shown.is_some() && (!view.is_over() || matches!(view.status, Status::Held(_)))
}

/// The forms that start a run.
fn ask(patient: &Patient, shown: Option<&Shown<'_>>) -> Markup {
    let action = format!("{}/runs", path(&patient.id));
    html! {
        form method="post" action=(action) {
            button.main name="prompt" value="Generate a complete clinical summary." { "Generate summary" }
        }
        form method="post" action=(action) {
            @if let Some(Shown { run, .. }) = shown { input type="hidden" name="follows" value=(run.id); }
            input type="text" name="prompt" required maxlength="1000" aria-label="Question" placeholder="Ask, or: add a note: …";
            button { "Ask" }
        }
    }
}

/// The parts of the page that change, by their ids.
pub(crate) fn parts(shown: &Shown<'_>) -> impl Iterator<Item = (String, String)> {
    let rest = [
        "status", "approval", "summary", "actions", "timeline", "usage", "calls",
    ];
    let rest = rest.map(|id| (id.to_owned(), part(id, Some(shown)).into_string()));
    let cards = CARDS.map(|(tool, _)| {
        (
            format!("card-{tool}"),
            part(tool, Some(shown)).into_string(),
        )
    });
    rest.into_iter().chain(cards)
}

fn part(id: &str, shown: Option<&Shown<'_>>) -> Markup {
    let Some(Shown { run, view }) = shown else {
        return match id {
            "status" => html! { "No run yet." },
            "summary" | "approval" | "actions" | "calls" | "usage" => html! {},
            _ => html! { p.soft { "Nothing yet." } },
        };
    };
    match id {
        "status" => status(view),
        "approval" => approval(run, view),
        "summary" => html! { (view.text()) },
        "actions" => actions(run, view),
        "timeline" => timeline(view, now_us()),
        "usage" => usage(view),
        "calls" => calls(view),
        tool => card(run, view, tool),
    }
}

fn status(view: &View) -> Markup {
    let took = view
        .requests
        .first()
        .map_or(0, |first| view.last_us - first.start);
    html! {
        @match &view.status {
            Status::Running if view.requests.is_empty() => "Starting.",
            Status::Running => { "Running: turn " (view.texts.len()) "." },
            Status::Held(_) => strong { "Waiting for your approval." },
            Status::Finished => span.good { "Finished in " (millis(took)) "." },
            Status::Stopped => "Stopped.",
            Status::Failed(error) => span.bad { "Failed: " (error) },
        }
    }
}

fn approval(run: &Run, view: &View) -> Markup {
    let Status::Held(approval) = view.status else {
        return html! {};
    };
    html! {
        @for call in view.calls.iter().filter(|call| call.needs_decision()) {
            form method="post" action={"/runs/" (run.id) "/decisions"} {
                p { "The model wants to run " strong { (call.tool) } ":" }
                (arguments(&call.arguments))
                input type="hidden" name="approval" value=(approval);
                input type="hidden" name="position" value=(call.position);
                button.main name="decision" value="approve" { "Approve" }
                button name="decision" value="deny" { "Deny" }
            }
        }
    }
}

fn actions(run: &Run, view: &View) -> Markup {
    html! {
        @if view.status == Status::Running {
            form method="post" action={"/runs/" (run.id) "/stop"} { button { "Stop" } }
        } @else {
            p.soft { a href={"/runs/" (run.id) "/recording"} { "Recording of this run" } }
        }
    }
}

fn usage(view: &View) -> Markup {
    let usage = &view.usage;
    html! {
        (usage.total_tokens) " tokens (" (usage.prompt_tokens) " in, " (usage.completion_tokens) " out)"
        @for notice in &view.notices { br; (notice) }
    }
}

fn calls(view: &View) -> Markup {
    html! {
        @for call in &view.calls {
            h3 { (call.tool) }
            (arguments(&call.arguments))
            @if let Some(result) = &call.result { pre tabindex="0" { (result.content()) } }
        }
    }
}

/// Arguments as a list where they are an object, as text otherwise.
fn arguments(text: &str) -> Markup {
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => html! {
            dl { @for (name, value) in &arguments { dt { (name) } dd { (plain(value)) } } }
        },
        _ => html! { pre { (text) } },
    }
}

pub(crate) fn path(patient: &str) -> String {
    format!(
        "/patients/{}",
        utf8_percent_encode(patient, NON_ALPHANUMERIC)
    )
}

/// Microseconds since 1970 for people.
fn time(micros: i64) -> String {
    const LAST: u64 = 253_402_300_799; // second of the year 9999: later ones have no such date
    let since = Duration::from_micros(u64::try_from(micros).unwrap_or_default());
    httpdate::fmt_http_date(UNIX_EPOCH + since.min(Duration::from_secs(LAST)))
}
