//! User code may panic wherever it runs: what keeps that to the call it happened in.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Locks what no panic leaves half-done.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs code of the user's, which may panic: then what it said.
#[inline]
pub(crate) fn quietly(run: impl FnOnce()) -> Option<String> {
    catch_unwind(AssertUnwindSafe(run)).err().map(panic_text)
}

/// Drops a value of the user's.
#[inline]
pub(crate) fn drop_quietly<T>(value: T) -> Option<String> {
    quietly(|| drop(value))
}

/// Wakes all of them, whatever the first does.
pub(crate) fn wake_quietly(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        quietly(|| waker.wake());
    }
}

/// What a panic said, for the operator.
pub(crate) fn panic_text(panic: Box<dyn Any + Send>) -> String {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a value that is not text".to_owned(),
    };
    // The payload is the tool's: its destructor may panic too, with a payload of its own.
    if let Err(worse) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(worse);
    }
    text
}
