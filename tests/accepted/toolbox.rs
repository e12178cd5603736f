use std::future::Future;
use std::sync::{Arc, Mutex};
use tool_core::{CallContext, Dispatcher, ToolSet, toolbox, tools};

#[derive(Clone, Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
struct Ward {
    number: u32,
}

struct Hospital {
    wards: Mutex<Vec<Ward>>,
}

#[toolbox]
impl Hospital {
    /// No tool, and no method.
    const BEDS: u32 = 12;

    /// No tool: it makes the object.
    fn new() -> Self {
        Self {
            wards: Mutex::new(vec![Ward { number: 1 }]),
        }
    }

    /// Count the beds.
    #[tool]
    fn count_beds(&self) -> u32 {
        Self::BEDS
    }

    /// Count the wards.
    #[tool(timeout = "5s", read_only)]
    pub async fn count_wards(&self) -> usize {
        self.wards().len()
    }

    /// Find a ward.
    #[tool(name = "get_ward", idempotent)]
    pub(crate) async fn find_ward(
        &self,
        #[context] cx: &CallContext,
        /// Its number.
        #[arg(range(1..))]
        number: u32,
        name: Option<&str>,
    ) -> Result<Option<Ward>, std::io::Error> {
        let _ = (cx.id(), name);
        Ok(self.wards().into_iter().find(|ward| ward.number == number))
    }

    /// Add a ward, in a future.
    #[tool]
    fn add_ward(&self, #[args] ward: Ward) -> impl Future<Output = usize> + Send {
        let count = self.wards.lock().map_or(0, |mut wards| {
            wards.push(ward);
            wards.len()
        });
        async move { count }
    }

    /// Count the floors, which takes no object.
    #[tool]
    fn count_floors() -> u32 {
        3
    }

    /// Greet, with something else that the state provides.
    #[tool(inline)]
    fn greet(#[state] greeting: &String, name: &str) -> String {
        format!("{greeting}, {name}!")
    }

    /// Borrow from the object.
    #[tool]
    async fn borrow(&self) -> &Mutex<Vec<Ward>> {
        &self.wards
    }

    /// No tool: its parameters may be anything.
    fn wards(&self) -> Vec<Ward> {
        self.wards
            .lock()
            .map_or_else(|_| Vec::new(), |wards| wards.clone())
    }
}

#[derive(tool_core::Provide)]
struct App {
    hospital: Arc<Hospital>,
    greeting: String,
}

fn toolset() -> ToolSet {
    tools![Hospital].with_state(App {
        hospital: Arc::new(Hospital::new()),
        greeting: "Hello".to_owned(),
    })
}

#[test]
fn is_accepted() {
    let names = [
        "count_beds",
        "count_wards",
        "get_ward",
        "add_ward",
        "count_floors",
        "greet",
        "borrow",
    ];
    assert_eq!(
        Dispatcher::new(toolset())
            .tools()
            .definitions()
            .map(|tool| tool.name())
            .collect::<Vec<_>>(),
        names
    );
    let _ = Hospital::new().count_wards();
}
