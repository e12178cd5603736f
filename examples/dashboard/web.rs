//! The requests.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use patient_summary::DbError;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tool_core::Decision;
use tool_openai::recording::to_html;
use uuid::Uuid;

use crate::guard::guard;
use crate::pages::{self, About, Shown};
use crate::runs::{Refused, Runs};
use crate::store::Run;
use crate::view::View;
use crate::watched::Watched;

/// Bytes that a form may have.
const MOST_BYTES: usize = 16 * 1024;

/// Characters that a question may have.
const MOST_CHARACTERS: usize = 1000;

/// What all requests share.
#[derive(Clone)]
pub(crate) struct Dashboard {
    pub(crate) runs: Runs,
    pub(crate) about: Arc<About>,
    /// Ends the streams of pages.
    pub(crate) shutdown: CancellationToken,
}

pub(crate) fn router(dashboard: Dashboard) -> Router {
    Router::new()
        .route("/", get(patients))
        .route("/patients/{patient}", get(patient))
        .route("/patients/{patient}/runs", post(start))
        .route("/runs/{run}/events", get(events))
        .route("/runs/{run}/recording", get(recording))
        .route("/runs/{run}/stop", post(stop))
        .route("/runs/{run}/decisions", post(decide))
        .route("/runs/{run}/calls/{call}/retry", post(retry))
        .route(
            "/style.css",
            get(|| asset("text/css", include_str!("style.css"))),
        )
        .route(
            "/page.js",
            get(|| asset("text/javascript", include_str!("page.js"))),
        )
        .fallback(async |State(dashboard): State<Dashboard>| Problem::NotFound.page(&dashboard))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(from_fn(guard))
        .with_state(dashboard)
}

async fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}

/// Why there is no page.
enum Problem {
    NotFound,
    Conflict,
    Busy,
    Unusable,
    Internal,
    Database(DbError),
}

impl Problem {
    fn page(self, dashboard: &Dashboard) -> Response {
        let (status, title, text) = match self {
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "Not found",
                "There is no such page.".to_owned(),
            ),
            Self::Conflict => (
                StatusCode::CONFLICT,
                "Not possible now",
                "The run is in another state by now. Go back and reload the page.".to_owned(),
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Busy",
                "Too many runs are under way. Try again later.".to_owned(),
            ),
            Self::Unusable => (
                StatusCode::BAD_REQUEST,
                "Not a question",
                format!("A question has 1 to {MOST_CHARACTERS} characters, and no NUL."),
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong",
                "What is stored of this run cannot be read.".to_owned(),
            ),
            Self::Database(error) => {
                eprintln!("{error}");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "No database",
                    "The patient database cannot be reached. Try again later.".to_owned(),
                )
            }
        };
        (status, pages::problem(title, &text, &dashboard.about)).into_response()
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Query(sqlx::Error::Decode(error)) => {
                eprintln!("{error}");
                Self::Internal
            }
            error => Self::Database(error),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy => Self::Busy,
            Refused::Conflict => Self::Conflict,
            Refused::Database(error) => error.into(),
        }
    }
}

/// The page, or the page about the problem.
fn answer(dashboard: &Dashboard, page: Result<impl IntoResponse, Problem>) -> Response {
    match page {
        Ok(page) => page.into_response(),
        Err(problem) => problem.page(dashboard),
    }
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

async fn patients(State(dashboard): State<Dashboard>, Query(search): Query<Search>) -> Response {
    let search = search.q.replace('\0', "");
    let found = dashboard.runs.store.patients(&search).await;
    let page = found.map(|found| pages::patients(&search, &found, &dashboard.about));
    answer(&dashboard, page.map_err(Problem::from))
}

#[derive(Deserialize)]
struct Chosen {
    run: Option<Uuid>,
}

async fn patient(
    State(dashboard): State<Dashboard>,
    Path(patient): Path<String>,
    Query(chosen): Query<Chosen>,
) -> Response {
    answer(
        &dashboard,
        patient_page(&dashboard, &patient, chosen.run).await,
    )
}

async fn patient_page(
    dashboard: &Dashboard,
    id: &str,
    chosen: Option<Uuid>,
) -> Result<impl IntoResponse + use<>, Problem> {
    let store = &dashboard.runs.store;
    let patient = store.patient(id).await?.ok_or(Problem::NotFound)?;
    let runs = store.runs(id).await?;
    let run = match chosen {
        Some(chosen) => {
            let run = store.run(chosen).await?.filter(|run| run.patient == id);
            Some(run.ok_or(Problem::NotFound)?)
        }
        None => runs.first().cloned(),
    };
    let view = match &run {
        Some(run) => dashboard.runs.view(run.id).await?,
        None => View::default(),
    };
    let shown = run.as_ref().map(|run| Shown { run, view: &view });
    let notes = store.notes(id).await?;
    Ok(pages::patient(
        &patient,
        shown.as_ref(),
        &runs,
        &notes,
        &dashboard.about,
    ))
}

#[derive(Deserialize)]
struct Asked {
    prompt: String,
    follows: Option<Uuid>,
}

async fn start(
    State(dashboard): State<Dashboard>,
    Path(patient): Path<String>,
    Form(asked): Form<Asked>,
) -> Response {
    let started = async {
        let prompt = asked.prompt.trim();
        if prompt.is_empty() || prompt.contains('\0') || prompt.chars().count() > MOST_CHARACTERS {
            return Err(Problem::Unusable);
        }
        let store = &dashboard.runs.store;
        store.patient(&patient).await?.ok_or(Problem::NotFound)?;
        if let Some(earlier) = asked.follows {
            let run = store.run(earlier).await?;
            run.filter(|run| run.patient == patient)
                .ok_or(Problem::NotFound)?;
        }
        let run = dashboard
            .runs
            .start(patient, prompt.to_owned(), asked.follows)
            .await?;
        shown(&dashboard, run).await
    };
    let started = started.await;
    answer(&dashboard, started)
}

/// To the page that shows the run.
async fn shown(dashboard: &Dashboard, run: Uuid) -> Result<Redirect, Problem> {
    let run = run_of(dashboard, run).await?;
    Ok(Redirect::to(&format!(
        "{}?run={}",
        pages::path(&run.patient),
        run.id
    )))
}

async fn run_of(dashboard: &Dashboard, run: Uuid) -> Result<Run, Problem> {
    dashboard
        .runs
        .store
        .run(run)
        .await?
        .ok_or(Problem::NotFound)
}

async fn stop(State(dashboard): State<Dashboard>, Path(run): Path<Uuid>) -> Response {
    dashboard.runs.stop(run); // one that is over needs no stop
    answer(&dashboard, shown(&dashboard, run).await)
}

/// A page of its own for a run, to keep or to send.
async fn recording(State(dashboard): State<Dashboard>, Path(run): Path<Uuid>) -> Response {
    let page = async {
        let run = run_of(&dashboard, run).await?;
        let lines = dashboard.runs.recording(&run).await?;
        let html = to_html(lines.as_bytes()).map_err(|error| {
            eprintln!("run {}: {error}", run.id);
            Problem::Internal
        })?;
        let policy = "default-src 'none'; style-src 'unsafe-inline'";
        Ok(([(header::CONTENT_SECURITY_POLICY, policy)], Html(html)))
    };
    let page = page.await;
    answer(&dashboard, page)
}

#[derive(Deserialize)]
struct Decided {
    approval: Uuid,
    position: usize,
    decision: Choice,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Approve,
    Deny,
}

async fn decide(
    State(dashboard): State<Dashboard>,
    Path(run): Path<Uuid>,
    Form(decided): Form<Decided>,
) -> Response {
    let decision = match decided.decision {
        Choice::Approve => Decision::Allow,
        Choice::Deny => Decision::deny("the user denied it"),
    };
    let page = async {
        let runs = &dashboard.runs;
        runs.decide(run, decided.approval, decided.position, decision)
            .await?;
        shown(&dashboard, run).await
    };
    let page = page.await;
    answer(&dashboard, page)
}

async fn retry(
    State(dashboard): State<Dashboard>,
    Path((run, call)): Path<(Uuid, usize)>,
) -> Response {
    let page = async {
        dashboard.runs.retry(run, call).await?;
        shown(&dashboard, run).await
    };
    let page = page.await;
    answer(&dashboard, page)
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: i64,
}

/// The parts of the page that change, as server-sent events. Each is numbered by the last event of the
/// run that it shows: a browser that reconnects says which it has.
async fn events(
    State(dashboard): State<Dashboard>,
    Path(run): Path<Uuid>,
    Query(After { after }): Query<After>,
    headers: HeaderMap,
) -> Response {
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    match run_of(&dashboard, run).await {
        Ok(run) => {
            let watched = Watched::new(dashboard, run, last.unwrap_or(after));
            Sse::new(watched.stream())
                .keep_alive(KeepAlive::default())
                .into_response()
        }
        Err(problem) => problem.page(&dashboard),
    }
}
