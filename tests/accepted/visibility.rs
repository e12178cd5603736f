use tool_core::{ToolSet, tool, tools};

/// Count the beds.
#[tool]
async fn count_beds() -> u32 {
    12
}

mod billing {
    use tool_core::{ToolSet, tool, tools};

    /// Pay a bill.
    #[tool]
    pub async fn pay(bill: u32) -> u32 {
        bill
    }

    /// Refund a bill.
    #[tool]
    pub(crate) fn refund(bill: u32) -> u32 {
        bill
    }

    /// Write off a bill.
    #[tool]
    pub(super) fn write_off(bill: u32) -> u32 {
        bill
    }

    #[tool(description = "Remind of a bill.")]
    fn remind(bill: u32) -> u32 {
        bill
    }

    pub fn tools() -> ToolSet {
        tools![remind, self::pay, super::count_beds]
    }
}

pub use billing::pay as settle;
use billing::refund;

#[test]
fn is_accepted() {
    /// Open the door.
    #[tool]
    fn open_door() {}

    let tools: ToolSet = tools![
        count_beds,
        settle,
        refund,
        crate::visibility::billing::write_off,
        open_door
    ]
    .merge(&tools![])
    .expect("no name twice");
    assert_eq!(tools.len() + billing::tools().len(), 8);
}
