#![deny(missing_docs, single_use_lifetimes, unused_qualifications)]
//! Structs that provide their fields.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, RwLock};
use tool_core::Provide;

/// A clock.
pub trait Clock: Send + Sync {}

struct Stopped;

impl Clock for Stopped {}

/// By name.
#[derive(Provide)]
pub struct Named {
    /// A field.
    pub number: u32,
    text: String,
    clock: Arc<dyn Clock>,
    list: Arc<[u8]>,
    #[allow(dead_code)]
    map: RwLock<HashMap<String, Vec<u8>>>,
    #[provide(skip)]
    other: u32,
}

/// By position.
#[derive(Provide)]
struct Positional(u32, #[provide(skip)] u32, Arc<String>);

/// Nothing.
#[derive(Provide)]
struct Unit;

/// Of a parameter.
#[derive(Provide)]
struct Generic<R: Display, const N: usize>
where
    R: 'static,
{
    repo: Vec<R>,
    list: [u8; N],
}

/// For a while.
#[derive(Provide)]
struct Borrowing<'a> {
    text: &'a str,
}

mod reexport {
    pub use tool_core as tools;
}

/// Through another crate.
#[derive(reexport::tools::Provide)]
#[provide(crate = reexport::tools)]
struct Elsewhere {
    number: u32,
}

fn provided<T: ?Sized, S: Provide<T>>(state: &S) -> &T {
    state.provide()
}

#[test]
fn is_accepted() {
    let named = Named {
        number: 7,
        text: String::new(),
        clock: Arc::new(Stopped),
        list: Arc::new([1]),
        map: RwLock::default(),
        other: 8,
    };
    assert_eq!(
        (
            *provided::<u32, _>(&named),
            provided::<String, _>(&named).len(),
            named.other
        ),
        (7, 0, 8)
    );
    let _: (&Arc<dyn Clock>, &dyn Clock) = (provided(&named), provided(&named));
    assert_eq!(provided::<[u8], _>(&named), [1]);
    assert!(
        provided::<RwLock<HashMap<String, Vec<u8>>>, _>(&named)
            .read()
            .is_ok()
    );
    let positional = Positional(1, 2, Arc::new("three".to_owned()));
    assert_eq!(
        (
            *provided::<u32, _>(&positional),
            provided::<String, _>(&positional).as_str(),
            positional.1
        ),
        (1, "three", 2)
    );
    let generic = Generic {
        repo: vec!['x'],
        list: [0; 3],
    };
    assert_eq!(
        (
            provided::<Vec<char>, _>(&generic).len(),
            provided::<[u8; 3], _>(&generic).len()
        ),
        (1, 3)
    );
    assert_eq!(*provided::<&str, _>(&Borrowing { text: "x" }), "x");
    assert_eq!(*provided::<u32, _>(&Elsewhere { number: 5 }), 5);
    let _: &Unit = provided(&Unit);
}
