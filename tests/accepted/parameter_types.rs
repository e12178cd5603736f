use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use tool_core::{tool, tools};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Ward {
    number: u32,
}

/// Take what is borrowed.
#[tool]
async fn borrowed(
    text: &str,
    maybe_text: Option<&str>,
    numbers: &[u32],
    maybe_numbers: Option<&[u32]>,
    texts: &[String],
    ward: &Ward,
    maybe_ward: Option<&Ward>,
    string: &String,
    list: &Vec<Ward>,
    path: &Path,
    number: &u8,
) -> usize {
    let wards = ward.number
        + maybe_ward.map_or(0, |ward| ward.number)
        + list.iter().map(|ward| ward.number).sum::<u32>();
    let texts = text.len() + maybe_text.map_or(0, str::len) + texts.len() + string.len();
    let numbers = numbers.len() + maybe_numbers.map_or(0, <[u32]>::len) + usize::from(*number);
    texts + numbers + wards as usize + path.as_os_str().len()
}

/// Take what is borrowed, on a thread.
#[tool]
fn borrowed_by_thread(
    text: &str,
    maybe_text: Option<&str>,
    wards: &[Ward],
    maybe_ward: Option<&Ward>,
) -> usize {
    text.len() + maybe_text.map_or(0, str::len) + wards.len() + usize::from(maybe_ward.is_some())
}

/// Take what is owned.
#[tool]
async fn owned(
    text: Cow<'_, str>,
    boxed: Box<str>,
    map: BTreeMap<String, Vec<u8>>,
    set: HashSet<String>,
    nested: Option<Option<u8>>,
    spelled_out: std::option::Option<(u8, String)>,
    array: [f64; 3],
    path: PathBuf,
    unit: (),
    character: char,
    large: u64,
    floating: f32,
    value: serde_json::Value,
) -> String {
    let _ = (
        boxed,
        map,
        set,
        nested,
        spelled_out,
        array,
        path,
        unit,
        character,
        large,
        floating,
        value,
    );
    text.into_owned()
}

#[test]
fn is_accepted() {
    assert_eq!(tools![borrowed, borrowed_by_thread, owned].len(), 3);
}
