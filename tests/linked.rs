//! Every linked tool of a program is found when it starts.

#![deny(warnings)]

use std::sync::Arc;
use tool_core::{CallContext, States, ToolSet, tool};

trait Clock: Send + Sync {
    fn now(&self) -> u64;
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> u64 {
        7
    }
}

#[derive(Clone)]
struct Beds(u32);

/// Count the beds.
#[tool(linked)]
async fn count_beds(
    #[state] beds: &Beds,
    #[state] owned: Beds,
    #[state] clock: &dyn Clock,
    #[context] cx: &CallContext,
) -> u32 {
    beds.0 + owned.0 + clock.now() as u32 + cx.position() as u32
}

mod wards {
    use tool_core::tool;

    /// Count the wards.
    #[tool(linked, name = "a_count", type = CountWards, read_only)]
    fn count_wards(#[arg(default = 1)] floor: u32, #[state] names: &[String]) -> usize {
        names.len() + floor as usize
    }
}

macro_rules! counts {
    ($($name:ident),*) => { $(
        /// Count.
        #[tool(linked, crate = tool_core)]
        fn $name() -> u32 {
            1
        }
    )* };
}

counts!(count_doors, count_windows);

#[test]
fn is_accepted() -> Result<(), tool_core::LinkedError> {
    /// Count the floors, in a function.
    #[tool(linked)]
    fn count_floors() -> u32 {
        3
    }

    let clock: Arc<dyn Clock> = Arc::new(Stopped);
    let names: Arc<[String]> = Arc::new([]);
    let tools = ToolSet::linked(
        &States::new()
            .with_state(Beds(12))
            .with_shared_state(clock)
            .with_shared_state(names),
    )?;
    let found: Vec<_> = tools.definitions().map(|tool| tool.name()).collect();
    assert_eq!(
        found,
        [
            "a_count",
            "count_beds",
            "count_doors",
            "count_floors",
            "count_windows"
        ]
    );
    Ok(())
}
