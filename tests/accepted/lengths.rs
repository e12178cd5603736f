use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use tool_core::{tool, tools};

const MOST: usize = 80;

/// Take text of a length.
#[tool]
async fn texts(
    #[arg(length(1..=80))] borrowed: &str,
    #[arg(length(1..80))] owned: String,
    #[arg(length(..=MOST))] boxed: Box<str>,
    #[arg(length(1..))] cow: Cow<'_, str>,
    #[arg(length(1..=80))] optional: Option<String>,
    #[arg(length(1..=80))] optional_borrowed: Option<&str>,
    #[arg(length(1..=80), default = "north")] defaulted: &str,
    #[arg(default = "south", length(..MOST * 2))] defaulted_string: String,
) {
    let _ = (
        borrowed,
        owned,
        boxed,
        cow,
        optional,
        optional_borrowed,
        defaulted,
        defaulted_string,
    );
}

/// Take lists of a length.
#[tool]
fn lists(
    #[arg(length(1..=3))] slice: &[u8],
    #[arg(length(1..=3))] list: Vec<String>,
    #[arg(length(1..=3))] boxed: Box<[u8]>,
    #[arg(length(1..=3))] queue: VecDeque<u8>,
    #[arg(length(1..=3))] optional: Option<Vec<u8>>,
    #[arg(length(1..=3))] optional_slice: Option<&[u8]>,
    #[arg(length(1..=3))] borrowed: &Vec<u8>,
    #[arg(length(1..=3), default = vec![1])] defaulted: Vec<u8>,
) {
    let _ = (
        slice,
        list,
        boxed,
        queue,
        optional,
        optional_slice,
        borrowed,
        defaulted,
    );
}

/// Take maps of a length.
#[tool]
fn maps(
    #[arg(length(1..=3))] map: BTreeMap<String, u8>,
    #[arg(length(1..=3))] hashed: HashMap<String, u8>,
    #[arg(length(1..=3))] optional: Option<BTreeMap<String, u8>>,
    #[arg(length(1..=3))] borrowed: &HashMap<String, u8>,
) {
    let _ = (map, hashed, optional, borrowed);
}

#[test]
fn is_accepted() {
    assert_eq!(tools![texts, lists, maps].len(), 3);
}
