//! Whatever is held, and whatever is decided: what holds for every message.

use super::*;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    Alone,
    AtBed(u32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Allow,
    Hold,
    Deny,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        3 => Just(Kind::Plain),
        1 => Just(Kind::Alone),
        3 => (0..2_u32).prop_map(Kind::AtBed),
    ]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![4 => Just(Verdict::Allow), 2 => Just(Verdict::Hold), 1 => Just(Verdict::Deny)]
}

impl Kind {
    /// Whether a call must have ended before a later one begins.
    fn is_before(self, later: Self) -> bool {
        match (self, later) {
            (Self::AtBed(one), Self::AtBed(other)) => one == other,
            (Self::Alone, _) | (_, Self::Alone) => true,
            _ => false,
        }
    }

    fn call(self, position: usize) -> ToolCall {
        let (name, arguments) = match self {
            Self::Plain => ("plain", "{}".to_owned()),
            Self::Alone => ("alone", "{}".to_owned()),
            Self::AtBed(bed) => ("at_bed", format!(r#"{{"bed": {bed}}}"#)),
        };
        ToolCall::new(position.to_string(), name, arguments)
    }
}

impl Verdict {
    fn decision(self) -> Decision {
        match self {
            Self::Allow => Decision::Allow,
            Self::Hold => Decision::Hold,
            Self::Deny => Decision::deny("no"),
        }
    }
}

/// What happens to calls, by what was decided on each; one that is answered has no verdict.
fn expected(kinds: &[Kind], verdicts: &[Option<Verdict>]) -> Vec<Option<&'static str>> {
    let mut codes: Vec<Option<&str>> = Vec::new();
    for (position, verdict) in verdicts.iter().enumerate() {
        let is_behind = |earlier: usize| {
            codes[earlier] == Some("held") && kinds[earlier].is_before(kinds[position])
        };
        codes.push(verdict.map(|verdict| match verdict {
            Verdict::Deny => "denied",
            Verdict::Hold => "held",
            Verdict::Allow if (0..position).any(is_behind) => "held",
            Verdict::Allow => "ok",
        }));
    }
    codes
}

async fn run_through(
    kinds: Vec<Kind>,
    first: Vec<(Verdict, u64)>,
    later: Vec<Vec<Verdict>>,
    streams: bool,
) -> Result<(), TestCaseError> {
    let (dispatcher, log) = dispatcher();
    let asked = first.clone();
    let begun = dispatcher.clone().with_policy(move |request| {
        let (verdict, after) = asked[request.position()];
        async move {
            sleep(Duration::from_millis(after)).await;
            verdict.decision()
        }
    });
    let message = kinds.iter().enumerate().map(|(at, kind)| kind.call(at));
    let mut results = if streams {
        let mut batch = begun.streaming_batch();
        for call in message {
            batch.push(call);
            sleep(Duration::from_millis(3)).await;
        }
        batch.finish().await
    } else {
        begun.dispatch_as("a run", message.collect()).unwrap().await
    };
    let mut verdicts: Vec<_> = first.iter().map(|(verdict, _)| Some(*verdict)).collect();
    let mut rounds = later.into_iter();
    loop {
        let codes: Vec<_> = codes(&results).into_iter().map(str::to_owned).collect();
        let expected = expected(&kinds, &verdicts);
        for (at, expected) in expected.iter().enumerate() {
            prop_assert_eq!(
                expected.unwrap_or(&codes[at]),
                &codes[at],
                "{} of {:?}",
                at,
                codes
            );
        }
        let open: BTreeMap<usize, HeldFor> = results
            .iter()
            .filter_map(|result| Some((result.position(), result.held_for()?)))
            .collect();
        if open.is_empty() {
            break;
        }
        for (at, waits) in &open {
            if let HeldFor::Earlier(earlier) = waits {
                prop_assert!(earlier < at && open.contains_key(earlier), "{:?}", open);
            }
        }
        // Those that are not drawn any more are allowed.
        let drawn = rounds.next().unwrap_or_default();
        let drawn = |at: usize| drawn.get(at).copied().unwrap_or(Verdict::Allow);
        let decisions: Vec<_> = open
            .iter()
            .filter(|(_, waits)| **waits == HeldFor::Decision)
            .map(|(at, _)| (*at, drawn(*at).decision()))
            .collect();
        for (at, verdict) in verdicts.iter_mut().enumerate() {
            *verdict = match open.get(&at) {
                None => None,
                Some(HeldFor::Decision) => Some(drawn(at)),
                Some(_) => Some(Verdict::Allow),
            };
        }
        let before = contents(&results);
        results = dispatcher
            .resume(stored(&results), decisions)
            .unwrap()
            .await;
        for (at, content) in contents(&results).iter().enumerate() {
            prop_assert!(open.contains_key(&at) || *content == before[at]);
        }
    }
    dispatcher.idle().await;
    let log = log.0.lock().unwrap().clone();
    let at = |id: usize, ends: bool| {
        let mut found = log
            .iter()
            .enumerate()
            .filter(|(_, (of, end))| *of == id.to_string() && *end == ends);
        (found.next().map(|(at, _)| at), found.next().is_none())
    };
    for (position, result) in results.iter().enumerate() {
        let (began, once) = at(position, false);
        prop_assert!(once);
        prop_assert_eq!(began.is_some(), result.outcome().is_ok());
        if let Some(began) = began {
            for earlier in
                (0..position).filter(|earlier| kinds[*earlier].is_before(kinds[position]))
            {
                let (ended, _) = at(earlier, true);
                prop_assert!(
                    ended.is_none_or(|ended| ended < began),
                    "{} before {}",
                    position,
                    earlier
                );
            }
        }
    }
    if !streams {
        // The keys are those of a message of which nothing was held.
        let (plain, _) = self::dispatcher();
        let message = kinds
            .iter()
            .enumerate()
            .map(|(at, kind)| kind.call(at))
            .collect();
        let keys = contents(&plain.dispatch_as("a run", message).unwrap().await);
        for (key, result) in keys.iter().zip(&results) {
            prop_assert!(result.outcome().is_err() || result.content() == key.as_str());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_held_calls_run_once_and_in_order(
        calls in vec((kind(), verdict(), 0..20_u64), 1..8),
        later in vec(vec(verdict(), 8), 0..3),
        streams in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let kinds = calls.iter().map(|(kind, ..)| *kind).collect();
        let first = calls.iter().map(|(_, verdict, after)| (*verdict, *after)).collect();
        runtime.block_on(run_through(kinds, first, later, streams))?;
    }
}
