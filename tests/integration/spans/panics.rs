//! A subscriber that panics loses no answer.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_panics_loses_no_answer() {
    const BATCH: span::Id = span::Id::from_non_zero_u64(NonZeroU64::MAX);

    /// Panics at every `nth` event of a call.
    struct Bad {
        nth: usize,
        reported: AtomicUsize,
    }

    impl Bad {
        fn record_event(&self) {
            let reported = self.reported.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(!reported.is_multiple_of(self.nth), "this subscriber panics");
        }
    }

    impl Subscriber for Bad {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn try_close(&self, id: span::Id) -> bool {
            if id != BATCH {
                self.record_event(); // dropping the last result of a batch closes its span
            }
            true
        }
        fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
            if span.metadata().name() != "execute_tool" {
                return BATCH;
            }
            self.record_event();
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {
            self.record_event();
        }
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, _: &Event<'_>) {}
        fn enter(&self, _: &span::Id) {
            self.record_event();
        }
        fn exit(&self, _: &span::Id) {
            self.record_event();
        }
    }

    /// Take a while.
    #[tool]
    async fn linger() {
        sleep(Duration::from_millis(10)).await;
    }

    for nth in 1..20 {
        let _guard = tracing::subscriber::set_default(Bad {
            nth,
            reported: AtomicUsize::new(0),
        });
        let dispatcher = Dispatcher::new(tools![linger]);
        for count in [1, 3] {
            let results = timeout(
                Duration::from_secs(1),
                dispatcher.dispatch(vec![ToolCall::new("a", "linger", "{}"); count]),
            )
            .await;
            assert_eq!(codes(&results.unwrap()), vec!["ok"; count], "every {nth}");
        }
        timeout(Duration::from_secs(1), dispatcher.idle())
            .await
            .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_panic_at_a_nested_message_leaks_nothing() {
    /// Panics at the span of a second message.
    struct Bad(AtomicUsize);

    impl Subscriber for Bad {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
            let second = span.metadata().name() == "execute_tools"
                && self.0.fetch_add(1, Ordering::SeqCst) == 1;
            assert!(!second, "this subscriber panics");
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, _: &Event<'_>) {}
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    /// Ask for a call within this one.
    #[tool]
    async fn ask(#[context] cx: &CallContext) {
        cx.dispatch(vec![ToolCall::new("", "ask", "{}")]).await;
    }

    let _guard = tracing::subscriber::set_default(Bad(AtomicUsize::new(0)));
    let dispatcher = Dispatcher::new(tools![ask]);
    let results = dispatcher
        .dispatch(vec![ToolCall::new("", "ask", "{}")])
        .await;
    assert_eq!(codes(&results), ["panic"]);
    timeout(Duration::from_secs(1), dispatcher.idle())
        .await
        .unwrap();
}
