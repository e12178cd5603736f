//! A run as a page follows it: the parts of the page that change, as server-sent events.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::Event;
use futures_util::{Stream, stream};
use tokio::sync::watch;

use crate::pages::{self, Shown};
use crate::store::Run;
use crate::view::View;
use crate::web::Dashboard;

/// How often a page with running calls sees its bars grow.
const GROWTH: Duration = Duration::from_millis(250);

/// A run that a page watches.
pub(crate) struct Watched {
    dashboard: Dashboard,
    run: Run,
    view: View,
    news: watch::Receiver<()>,
    /// The last event that the page has seen.
    shown: i64,
    is_over: bool,
    /// The parts as the page has them.
    parts: HashMap<String, String>,
}

impl Watched {
    /// From the event that the page has seen last.
    pub(crate) fn new(dashboard: Dashboard, run: Run, shown: i64) -> Self {
        Self {
            news: dashboard.runs.news(run.id),
            dashboard,
            run,
            view: View::default(),
            shown,
            is_over: false,
            parts: HashMap::new(),
        }
    }

    pub(crate) fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        stream::unfold(self, async |mut watched| {
            let event = watched.next().await?;
            Some((Ok(event), watched))
        })
    }

    /// Waits until there is something new.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.is_over {
                return None;
            }
            self.news.borrow_and_update();
            let is_active = self.dashboard.runs.is_active(self.run.id);
            match self
                .dashboard
                .runs
                .catch_up(self.run.id, &mut self.view)
                .await
            {
                Ok(true) => continue, // there may be more
                Ok(false) if !is_active => {
                    self.view.interrupt();
                    self.is_over = true;
                    return Some(self.event("over"));
                }
                Ok(false) | Err(_) => {}
            }
            if self.view.seq > self.shown {
                return Some(self.event("parts"));
            }
            tokio::select! {
                () = self.dashboard.shutdown.cancelled() => return None,
                () = tokio::time::sleep(GROWTH) => return Some(self.event("parts")),
                _ = self.news.changed() => {}
            }
        }
    }

    /// The parts that are not as the page has them.
    fn event(&mut self, kind: &str) -> Event {
        self.shown = self.view.seq;
        let shown = Shown {
            run: &self.run,
            view: &self.view,
        };
        let mut parts = pages::parts(&shown).collect::<HashMap<_, _>>();
        let changed = parts
            .iter()
            .filter(|(id, html)| self.parts.get(*id) != Some(html));
        let event = Event::default().event(kind).id(self.shown.to_string());
        let event = event.json_data(changed.collect::<HashMap<_, _>>());
        std::mem::swap(&mut self.parts, &mut parts);
        event.unwrap_or_default()
    }
}
