//! The task of a call that was not ready at once, or whose turn came later.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Call, Stop};

/// What a call does after its first poll, or from the start where its turn came later.
pub(crate) struct CallTask {
    call: Option<Arc<Call>>,
    state: Permits,
}

#[derive(Clone, Copy, PartialEq)]
enum Permits {
    Held,
    Lent,
    Wanted,
}

impl CallTask {
    pub(crate) fn spawn(call: Arc<Call>) {
        let batch = Arc::clone(&call.batch);
        batch.spawn(Self { call: Some(call), state: Permits::Held });
    }
}

impl Future for CallTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(call) = self.call.clone() else { return Poll::Ready(()) };
        loop {
            match self.state {
                Permits::Held => {
                    if call.poll(cx, None).is_ready() {
                        break;
                    }
                    if call.park() {
                        self.state = Permits::Lent;
                    }
                    return Poll::Pending;
                }
                Permits::Lent => {
                    self.state = Permits::Wanted;
                    call.forget_waker(); // this task need not be told of what it asks for itself
                    call.batch.engine.resume(&call);
                }
                Permits::Wanted => {
                    call.set_waker(cx.waker());
                    if call.is_stopped() {
                        break;
                    }
                    if call.is_due() {
                        call.stop(Stop::Deadline);
                        break;
                    }
                    if !call.has_resumed() {
                        return Poll::Pending;
                    }
                    self.state = Permits::Held;
                }
            }
        }
        self.call = None;
        Poll::Ready(())
    }
}

impl Drop for CallTask {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            call.stop(Stop::Shutdown);
        }
    }
}
