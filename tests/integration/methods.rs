//! Methods as tools: the object they are called on is state, and several objects can be used
//! together.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tool_core::{CallContext, Dispatcher, Provide, ToolSet, tool, toolbox, tools};

use crate::support::{calls, codes, contents};

#[derive(Default)]
struct Hospital {
    name: &'static str,
    beds: Mutex<BTreeMap<String, String>>,
    asked: AtomicU32,
}

#[toolbox]
impl Hospital {
    const MOST: usize = 20;

    fn new(name: &'static str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Put a patient to bed.
    #[tool(idempotent, serialize_by(bed))]
    async fn put_to_bed(
        &self,
        /// Which one.
        #[arg(length(1..=4))]
        bed: String,
        patient: &str,
    ) -> Result<usize, String> {
        tokio::task::yield_now().await;
        let mut beds = self.beds.lock().unwrap();
        match beds.insert(bed, patient.to_owned()) {
            None if beds.len() <= Self::MOST => Ok(beds.len()),
            None => Err("there are no more beds".to_owned()),
            Some(before) => Err(format!("{before} lay there")),
        }
    }

    /// Say where a patient lies.
    #[tool(read_only, name = "find")]
    fn find_patient(&self, patient: &str) -> Option<String> {
        self.beds
            .lock()
            .unwrap()
            .iter()
            .find(|(_, lies)| *lies == patient)
            .map(|(bed, _)| bed.clone())
    }

    /// Say the hospital's name, which is borrowed.
    #[tool(inline)]
    fn name(&self, #[context] cx: &CallContext) -> (&str, usize) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        (self.name, cx.position())
    }

    /// Say what is known without any hospital.
    #[tool]
    async fn motto(#[arg(default = 1)] times: usize) -> String {
        "health! ".repeat(times).trim_end().to_owned()
    }

    fn patients(&self) -> usize {
        self.beds.lock().unwrap().len()
    }
}

struct Pharmacy(u32);

#[toolbox]
impl Pharmacy {
    /// Count what is in stock.
    #[tool]
    async fn count_stock(&self) -> u32 {
        self.0
    }
}

/// Say the day.
#[tool]
async fn day() -> &'static str {
    "Monday"
}

#[derive(Provide)]
struct City {
    hospital: Arc<Hospital>,
    pharmacy: Pharmacy,
}

fn names(tools: &ToolSet) -> Vec<&str> {
    tools.definitions().map(|tool| tool.name()).collect()
}

#[tokio::test]
async fn methods_run_on_the_object_that_was_given() {
    let hospital = Arc::new(Hospital::new("north"));
    let dispatcher = Dispatcher::new(tools![Hospital].with_shared_state(Arc::clone(&hospital)));
    let put = dispatcher
        .dispatch(calls([(
            "put_to_bed",
            r#"{"bed": "1a", "patient": "Jana"}"#,
        )]))
        .await;
    let batch = calls([
        ("find", r#"{"patient": "Jana"}"#),
        ("find", r#"{"patient": "Karl"}"#),
        ("name", "{}"),
        ("motto", r#"{"times": 2}"#),
    ]);
    let results = dispatcher.dispatch(batch).await;
    assert_eq!(contents(&put), ["1"]);
    assert_eq!(
        contents(&results),
        ["1a", "null", r#"["north",2]"#, "health! health!"]
    );
    let results = dispatcher
        .dispatch(calls([
            ("put_to_bed", r#"{"bed": "1a", "patient": "Karl"}"#),
            ("motto", "{}"),
        ]))
        .await;
    assert_eq!(
        contents(&results),
        [
            r#"{"error":"Jana lay there","tool":"put_to_bed"}"#,
            "health!"
        ]
    );
    assert_eq!(
        (hospital.patients(), hospital.asked.load(Ordering::SeqCst)),
        (1, 1)
    );
}

#[tokio::test]
async fn methods_stay_methods() {
    let hospital = Hospital::new("north");
    assert_eq!(
        hospital
            .put_to_bed("a bed of a longer name".to_owned(), "Jana")
            .await,
        Ok(1)
    );
    assert_eq!(
        hospital.find_patient("Jana").as_deref(),
        Some("a bed of a longer name")
    );
    assert_eq!(Hospital::motto(1).await, "health!");
}

#[tokio::test]
async fn methods_report_argument_mistakes_as_functions_do() {
    let dispatcher = Dispatcher::new(tools![Hospital].with_state(Hospital::new("north")));
    let batch = calls([
        ("put_to_bed", r#"{"bed": "", "patient": "Jana"}"#),
        (
            "put_to_bed",
            r#"{"bed": "1a", "patient": "Jana", "self": {}}"#,
        ),
        ("find_patient", "{}"),
        ("find", "{}"),
    ]);
    let results = dispatcher.dispatch(batch).await;
    let texts: Vec<_> = results
        .iter()
        .map(|result| result.outcome().unwrap_err().message_for_model())
        .collect();
    let expected = [
        "`bed`: must have at least 1 and at most 4 characters, but has 0 characters",
        "`self`: unknown argument (the tool takes `bed`, `patient`)",
        "there is no tool `find_patient`; did you mean `find`?",
        "`patient`: missing; this string is required",
    ];
    assert_eq!(texts, expected);
    assert_eq!(
        codes(&results),
        [
            "invalid_arguments",
            "invalid_arguments",
            "unknown_tool",
            "invalid_arguments"
        ]
    );
}

#[test]
fn the_object_is_no_part_of_a_methods_definition() {
    let tools = tools![Hospital].with_state(Hospital::new("north"));
    assert_eq!(names(&tools), ["put_to_bed", "find", "name", "motto"]);
    let put = tools.definition("put_to_bed").unwrap();
    assert_eq!(put.description(), "Put a patient to bed.");
    assert_eq!(
        put.parameters()["properties"],
        json!({
            "bed": {"description": "Which one.", "type": "string", "minLength": 1, "maxLength": 4},
            "patient": {"type": "string"},
        })
    );
    assert_eq!(put.behavior().idempotent, Some(true));
    let find = tools.definition("find").unwrap();
    assert_eq!(find.behavior().read_only, Some(true));
    assert_eq!(put.behavior().serialize_by, ["bed"]);
    assert_eq!(
        tools.definition("name").unwrap().parameters()["properties"],
        json!({})
    );
}

#[tokio::test]
async fn several_types_can_share_one_list_with_functions() {
    let city = City {
        hospital: Arc::new(Hospital::new("north")),
        pharmacy: Pharmacy(7),
    };
    let tools = tools![Pharmacy, day, Hospital].with_state(city);
    assert_eq!(
        names(&tools),
        ["count_stock", "day", "put_to_bed", "find", "name", "motto"]
    );
    let results = Dispatcher::new(tools)
        .dispatch(calls([
            ("name", "{}"),
            ("count_stock", "{}"),
            ("day", "{}"),
        ]))
        .await;
    assert_eq!(contents(&results), [r#"["north",0]"#, "7", "Monday"]);
}

#[tokio::test]
async fn two_objects_of_one_type_are_distinguished_by_a_prefix() {
    let tools = tools![Hospital];
    let of = |name| {
        tools
            .clone()
            .with_state(Hospital::new(name))
            .with_prefix(&format!("{name}_"))
    };
    let both = of("north").merge(of("south")).unwrap();
    let expected = ["put_to_bed", "find", "name", "motto"];
    assert_eq!(
        names(&both),
        ["north_", "south_"]
            .iter()
            .flat_map(|prefix| expected.map(|name| format!("{prefix}{name}")))
            .collect::<Vec<_>>()
    );
    let dispatcher = Dispatcher::new(both);
    let results = dispatcher
        .dispatch(calls([
            ("south_name", "{}"),
            ("north_name", "{}"),
            ("name", "{}"),
        ]))
        .await;
    assert_eq!(
        contents(&results[..2]),
        [r#"["south",0]"#, r#"["north",1]"#]
    );
    assert_eq!(codes(&results), ["ok", "ok", "unknown_tool"]);

    let put = dispatcher
        .dispatch(calls([(
            "north_put_to_bed",
            r#"{"bed": "1", "patient": "Jana"}"#,
        )]))
        .await;
    let found = dispatcher
        .dispatch(calls([
            ("north_find", r#"{"patient": "Jana"}"#),
            ("south_find", r#"{"patient": "Jana"}"#),
        ]))
        .await;
    assert_eq!(
        (contents(&put), contents(&found)),
        (
            vec!["1".to_owned()],
            vec!["1".to_owned(), "null".to_owned()]
        )
    );
}

#[test]
fn a_prefix_changes_the_name_and_nothing_else() {
    let tools = tools![Hospital].with_state(Hospital::new("north"));
    let prefixed = tools.clone().with_prefix("a-");
    for (before, after) in tools.definitions().zip(prefixed.definitions()) {
        assert_eq!(after.name(), format!("a-{}", before.name()));
        assert_eq!(
            (after.description(), after.parameters(), after.behavior()),
            (before.description(), before.parameters(), before.behavior())
        );
        assert_eq!(after.checks_arguments(), before.checks_arguments());
    }
    assert_eq!(names(&tools), ["put_to_bed", "find", "name", "motto"]); // as it was
    assert_eq!(names(&tools.clone().with_prefix("")), names(&tools));
    assert_eq!(names(&prefixed.with_prefix("b_"))[0], "b_a-put_to_bed");
}

#[test]
fn an_invalid_prefix_is_refused_when_tools_are_offered() {
    let tools = tools![Hospital].with_state(Hospital::new("north"));
    let left_out = |prefix: &str| {
        let offered = tool_openai::chat::tools(&tools.clone().with_prefix(prefix)).unwrap();
        offered.left_out().to_vec()
    };
    assert_eq!(
        left_out("north wing ")[0].to_string(),
        "tool name `north wing put_to_bed` is not 1 to 64 letters, digits, `_` or `-`; choose another"
    );
    assert!(left_out(&"x".repeat(54)).is_empty());
    assert_eq!(left_out(&"x".repeat(55)).len(), 1);
}

#[test]
fn sets_with_one_name_twice_do_not_merge() {
    let tools = tools![Hospital].with_state(Hospital::new("north"));
    assert_eq!(
        tools.clone().merge(&tools).unwrap_err().name(),
        "put_to_bed"
    );
    let north = tools.clone().with_prefix("north_");
    assert_eq!(
        north.clone().merge(&north).unwrap_err().name(),
        "north_put_to_bed"
    );
    assert_eq!(north.merge(&tools).unwrap().len(), 8);
}

mod generic {
    use super::*;

    pub(super) trait Repo: Send + Sync + 'static {
        type Row: serde::de::DeserializeOwned + schemars::JsonSchema + serde::Serialize + Send;

        fn keep(&self, row: Self::Row) -> Vec<Self::Row>;
    }

    pub(super) struct Echo<T>(pub(super) std::marker::PhantomData<fn() -> T>);

    impl<T: serde::de::DeserializeOwned + schemars::JsonSchema + serde::Serialize + Send + 'static>
        Repo for Echo<T>
    {
        type Row = T;

        fn keep(&self, row: T) -> Vec<T> {
            vec![row]
        }
    }

    pub(super) struct Store<R: Repo>(pub(super) R);

    #[toolbox]
    impl<R: Repo> Store<R> {
        /// Keep a row.
        #[tool]
        async fn keep(&self, row: R::Row) -> Vec<R::Row> {
            self.0.keep(row)
        }
    }
}

#[tokio::test]
async fn the_schema_of_a_generic_toolbox_is_that_of_its_type() {
    use generic::{Echo, Store};
    let numbers = tools![Store<Echo<u8>>].with_state(Store(Echo::<u8>(std::marker::PhantomData)));
    let texts =
        tools![Store<Echo<String>>].with_state(Store(Echo::<String>(std::marker::PhantomData)));
    let row = |tools: &ToolSet| {
        tools.definition("keep").unwrap().parameters()["properties"]["row"]["type"].clone()
    };
    assert_eq!(
        (row(&numbers), row(&texts)),
        (json!("integer"), json!("string"))
    );
    let both = Dispatcher::new(
        numbers
            .with_prefix("n_")
            .merge(texts.with_prefix("t_"))
            .unwrap(),
    );
    let results = both
        .dispatch(calls([
            ("n_keep", r#"{"row": 7}"#),
            ("t_keep", r#"{"row": "x"}"#),
            ("n_keep", r#"{"row": "x"}"#),
        ]))
        .await;
    assert_eq!(contents(&results)[..2], ["[7]", r#"["x"]"#]);
    assert_eq!(codes(&results), ["ok", "ok", "invalid_arguments"]);
}
