//! Tools collected by the linker, and states provided by a derive.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tool_core::{Dispatcher, LinkedError, Provide, States, ToolSet, tool, tools};

use crate::support::{calls, contents};

struct Beds(u32);

struct Wards(Vec<&'static str>);

mod zoo {
    use super::*;

    /// Count the beds.
    #[tool(linked)]
    pub(super) async fn linked_b_beds(
        #[state] beds: &Beds,
        #[arg(default = 1)] factor: u32,
    ) -> u32 {
        beds.0 * factor
    }
}

/// Name the wards.
#[tool(linked, name = "linked_a_wards", type = NameWards, read_only)]
fn name_wards(#[state] wards: &Wards) -> String {
    wards.0.join(", ")
}

/// Count both.
#[tool(linked)]
async fn linked_d_both(
    #[state] beds: &Beds,
    #[state] wards: &Wards,
    #[state] beds_again: &Beds,
) -> u32 {
    beds.0 + beds_again.0 + wards.0.len() as u32
}

/// Ask for nothing.
#[tool(linked)]
fn linked_c_nothing() {}

fn states() -> States {
    States::new()
        .with_state(Beds(12))
        .with_state(Wards(vec!["north", "south"]))
}

fn names(tools: &ToolSet) -> Vec<&str> {
    tools.definitions().map(|tool| tool.name()).collect()
}

#[tokio::test]
async fn linked_tools_are_sorted_by_name() {
    let tools = ToolSet::linked(&states()).unwrap();
    assert_eq!(
        names(&tools),
        [
            "linked_a_wards",
            "linked_b_beds",
            "linked_c_nothing",
            "linked_d_both"
        ]
    );
    assert!(
        tools
            .definition("linked_a_wards")
            .unwrap()
            .behavior()
            .is_read_only()
    );
    let results = Dispatcher::new(tools)
        .dispatch(calls([
            ("linked_b_beds", r#"{"factor": 2}"#),
            ("linked_a_wards", "{}"),
            ("linked_d_both", "{}"),
            ("linked_c_nothing", "{}"),
        ]))
        .await;
    assert_eq!(contents(&results), ["24", "north, south", "26", "null"]);
}

#[test]
fn every_missing_state_is_named_with_its_tool() {
    let error = ToolSet::linked(&States::new()).unwrap_err();
    let LinkedError::MissingStates(missing) = &error else {
        panic!("{error}")
    };
    let short = |ty: &'static str| ty.rsplit("::").next().unwrap();
    let missing: Vec<_> = missing
        .iter()
        .map(|(tool, state)| (*tool, short(state)))
        .collect();
    let expected = [
        ("linked_a_wards", "Wards"),
        ("linked_b_beds", "Beds"),
        ("linked_d_both", "Beds"),
        ("linked_d_both", "Wards"),
    ];
    assert_eq!(missing, expected);
    let text = error.to_string();
    assert!(
        text.starts_with("tool `linked_a_wards` needs `")
            && text.ends_with("; add what is missing with `States::with_state`"),
        "{text}"
    );

    let error = ToolSet::linked(&States::new().with_state(Beds(1)))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("Wards") && !error.contains("Beds"),
        "{error}"
    );
}

#[tokio::test]
async fn a_later_state_of_a_type_takes_the_place_of_an_earlier_one() {
    let beds = Arc::new(Beds(3));
    let tools = ToolSet::linked(&states().with_shared_state(Arc::clone(&beds))).unwrap();
    let results = Dispatcher::new(tools)
        .dispatch(calls([("linked_b_beds", "{}")]))
        .await;
    assert_eq!(contents(&results), ["3"]);
    assert_eq!(Arc::strong_count(&beds), 1); // the set went with its dispatcher
}

#[test]
fn linked_tools_may_also_be_listed() {
    let listed = tools![zoo::linked_b_beds, NameWards];
    assert_eq!(
        names(&tools![zoo::linked_b_beds].with_state(Beds(1))),
        ["linked_b_beds"]
    );
    let both: ToolSet<Clinic> = listed;
    let clinic = Clinic {
        beds: Beds(1),
        wards: Arc::new(Wards(vec![])),
        log: Mutex::default(),
    };
    assert_eq!(
        names(&both.with_state(clinic)),
        ["linked_b_beds", "linked_a_wards"]
    );
    let linked = ToolSet::linked(&states()).unwrap();
    assert_eq!(
        linked.clone().merge(&linked).unwrap_err().name(),
        "linked_a_wards"
    );
}

#[derive(Provide)]
struct Clinic {
    beds: Beds,
    wards: Arc<Wards>,
    #[provide(skip)]
    log: Mutex<Vec<String>>,
}

/// Count with state of the clinic.
#[tool]
async fn count(
    #[state] beds: &Beds,
    #[state] wards: &Wards,
    #[state] shared: Arc<Wards>,
    #[state] clinic: &Clinic,
) -> usize {
    clinic.log.lock().unwrap().push("counted".to_owned());
    beds.0 as usize + wards.0.len() + shared.0.len()
}

#[tokio::test]
async fn each_field_is_provided_by_type_and_an_arc_by_its_content() {
    let clinic = Arc::new(Clinic {
        beds: Beds(12),
        wards: Arc::new(Wards(vec!["north"])),
        log: Mutex::default(),
    });
    let dispatcher = Dispatcher::new(tools![count].with_shared_state(Arc::clone(&clinic)));
    assert_eq!(
        contents(&dispatcher.dispatch(calls([("count", "{}"); 2])).await),
        ["14", "14"]
    );
    assert_eq!(clinic.log.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_derive_provides_the_field_and_not_a_copy() {
    #[derive(Provide)]
    struct Counters<T>(AtomicU32, #[provide(skip)] AtomicU32, Arc<Mutex<Vec<T>>>);

    /// Count up.
    #[tool]
    fn count_up(#[state] counter: &AtomicU32, #[state] list: &Mutex<Vec<u8>>) -> u32 {
        list.lock().unwrap().push(1);
        counter.fetch_add(1, Ordering::SeqCst)
    }

    let counters = Arc::new(Counters(
        AtomicU32::new(5),
        AtomicU32::new(9),
        Arc::default(),
    ));
    let dispatcher = Dispatcher::new(tools![count_up].with_shared_state(Arc::clone(&counters)));
    drop(dispatcher.dispatch(calls([("count_up", "{}"); 3])).await);
    assert_eq!(
        (
            counters.0.load(Ordering::SeqCst),
            counters.1.load(Ordering::SeqCst)
        ),
        (8, 9)
    );
    assert_eq!(counters.2.lock().unwrap().len(), 3);
}
