//! Panic isolation: a panic of user code affects only the call it happened in.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Locks data that a panic cannot leave inconsistent.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs user code, which may panic: returns the text of the panic.
#[inline]
pub(crate) fn catch_panic(run: impl FnOnce()) -> Option<String> {
    catch_unwind(AssertUnwindSafe(run)).err().map(panic_text)
}

/// Drops a value of the user, whose destructor may panic.
#[inline]
pub(crate) fn drop_catching_panic<T>(value: T) -> Option<String> {
    catch_panic(|| drop(value))
}

/// Wakes all of them, even if the first panics.
pub(crate) fn wake_catching_panic(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        catch_panic(|| waker.wake());
    }
}

/// The text of a panic, for the operator.
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
