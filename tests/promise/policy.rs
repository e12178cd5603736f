//! A policy with a drawn decision for each call.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;
use tool_core::{ApprovalRequest, Decision};

use crate::plan::Plan;
use crate::stage::Stage;
use crate::trace::What;
use crate::world::Verdict;

/// What is decided on a call that is held.
pub(crate) fn decide_later(stage: &Stage, call: usize) -> Decision {
    match stage.plan.calls[call].word.map(|word| word.verdict) {
        Some(Verdict::Hold { allowed: true }) => Decision::Allow,
        _ => Decision::deny("no"),
    }
}

pub(crate) async fn decide(stage: Arc<Stage>, proposal: ApprovalRequest) -> Decision {
    if proposal.definition().name().starts_with("probe") {
        return Decision::Allow;
    }
    let Some(call) = Plan::call_of(&proposal.call().arguments) else {
        stage.note(What::AsksInVain(proposal.call().id.clone()));
        return Decision::Allow;
    };
    stage.note(What::Asks(call));
    let Some(word) = stage.plan.calls[call].word else {
        return Decision::Allow;
    };
    if word.after > 0 {
        sleep(Duration::from_millis(word.after)).await;
    }
    if word.verdict == Verdict::Hang {
        std::future::pending::<()>().await;
    }
    stage.note(What::Decides(call));
    match word.verdict {
        Verdict::Refuse => Decision::deny("no"),
        Verdict::Edit(bed) => Decision::Edit(
            json!({"call": call, "bed": bed, "room": stage.plan.calls[call].room}).to_string(),
        ),
        Verdict::EditBadly => {
            Decision::Edit(json!({"call": call, "bed": "none", "room": 0}).to_string())
        }
        Verdict::Hold { .. } => Decision::Hold,
        Verdict::Panic => panic!("on purpose"),
        Verdict::Allow | Verdict::Hang => Decision::Allow,
    }
}
