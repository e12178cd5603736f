//! Approval of held calls by the client's user.

use mcp_tests::{dispatcher, transfer};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ClientConfig,
    ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData, Implementation,
    InputRequiredResult, ProtocolVersion,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt, RequestContext, RoleClient, RunningService,
};
use rmcp::{ClientHandler, ServiceError};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use tool_core::{Decision, Dispatcher, tools};
use tool_mcp::Server;

use crate::support::{ByHand, served};

/// A client whose user always says the same.
#[derive(Clone, Debug)]
struct User {
    says: ElicitationAction,
    asks: bool,
}

impl ClientHandler for User {
    fn get_info(&self) -> ClientConfig {
        let capabilities = match self.asks {
            true => ClientCapabilities::builder().enable_elicitation().build(),
            false => ClientCapabilities::default(),
        };
        ClientConfig::new(capabilities, Implementation::new("user", "0"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, .. } = request else {
            return Err(ErrorData::invalid_params("no form", None));
        };
        assert_eq!(message, r#"May the tool `transfer` run with {"cents":5}?"#);
        Ok(ElicitResult::new(self.says.clone()))
    }
}

async fn client(server: &Server, user: User, stateless: bool) -> RunningService<RoleClient, User> {
    let lifecycle = match stateless {
        true => ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        },
        false => ClientLifecycleMode::Initialize,
    };
    let (reader, writer) = tokio::io::split(served(server));
    user.serve_with_lifecycle((reader, writer), lifecycle)
        .await
        .unwrap()
}

fn call() -> CallToolRequestParams {
    let Value::Object(arguments) = json!({"cents": 5}) else {
        return CallToolRequestParams::new("transfer");
    };
    CallToolRequestParams::new("transfer").with_arguments(arguments)
}

fn text(result: &CallToolResult) -> &str {
    &result.content[0].as_text().unwrap().text
}

#[tokio::test]
async fn the_users_answer_decides() {
    let server = Server::new(dispatcher().unwrap());
    for stateless in [false, true] {
        for (says, reads) in [
            (ElicitationAction::Accept, "sent 5 under "),
            (
                ElicitationAction::Decline,
                "not allowed: the user declined this call",
            ),
            (
                ElicitationAction::Cancel,
                "not allowed: the user did not decide",
            ),
        ] {
            let is_error = says != ElicitationAction::Accept;
            let client = client(&server, User { says, asks: true }, stateless).await;
            let result = client.call_tool(call()).await.unwrap();
            assert!(text(&result).starts_with(reads), "{}", text(&result));
            assert_eq!(result.is_error, Some(is_error));
        }
        let silent = User {
            says: ElicitationAction::Accept,
            asks: false,
        };
        let client = client(&server, silent, stateless).await;
        let result = client.call_tool(call()).await.unwrap();
        assert!(
            text(&result).contains("this client cannot ask"),
            "{}",
            text(&result)
        );
        assert_eq!(result.is_error, Some(true));
    }
}

/// The question, in the stateless protocol.
async fn question(client: &RunningService<RoleClient, User>) -> InputRequiredResult {
    match client.call_tool_once(call()).await.unwrap() {
        CallToolResponse::InputRequired(question) => question,
        other => panic!("{other:?}"),
    }
}

fn approval(call: CallToolRequestParams, state: Option<String>) -> CallToolRequestParams {
    let answers = [("approval".to_owned(), json!({"action": "accept"}))];
    let mut call = call.with_input_responses(answers.into());
    call.request_state = state;
    call
}

#[tokio::test]
async fn an_approval_is_only_for_the_call_that_was_asked_about() {
    static IS_OPEN: AtomicBool = AtomicBool::new(true);
    let policy = |_| match IS_OPEN.load(Ordering::Relaxed) {
        true => Decision::Hold,
        false => Decision::deny("closed for today"),
    };
    let set = tools![transfer, mcp_tests::add];
    let server = Server::new(Dispatcher::new(set).with_policy(policy));
    let user = User {
        says: ElicitationAction::Accept,
        asks: true,
    };
    let client = client(&server, user, true).await;
    let state = question(&client).await.request_state.unwrap();

    let refused = async |call| match client.call_tool_once(call).await.unwrap_err() {
        ServiceError::McpError(error) => error.message.into_owned(),
        other => panic!("{other}"),
    };
    let more = Map::from_iter([("cents".to_owned(), 500.into())]);
    let of_another = "requestState does not belong to this call: ";
    let edited = approval(call().with_arguments(more), Some(state.clone()));
    assert!(refused(edited).await.starts_with(of_another));
    let other = approval(CallToolRequestParams::new("add"), Some(state.clone()));
    assert!(refused(other).await.starts_with(of_another));
    let tampered = approval(call(), Some(format!("{state}x")));
    assert!(refused(tampered).await.starts_with(of_another));

    // An answer without its call, or to another question, is not an approval.
    for unasked in [approval(call(), None), {
        let mut call = call();
        call.request_state = Some(state.clone());
        call
    }] {
        let answer = client.call_tool_once(unasked).await.unwrap();
        assert!(matches!(answer, CallToolResponse::InputRequired(_)));
    }

    let CallToolResponse::Complete(result) = client
        .call_tool_once(approval(call(), Some(state.clone())))
        .await
        .unwrap()
    else {
        panic!("it is complete");
    };
    assert!(text(&result).starts_with("sent 5"));

    // An approval is not the policy's: that may have changed its mind.
    IS_OPEN.store(false, Ordering::Relaxed);
    let CallToolResponse::Complete(result) = client
        .call_tool_once(approval(call(), Some(state)))
        .await
        .unwrap()
    else {
        panic!("it is complete");
    };
    assert_eq!(text(&result), "not allowed: closed for today");
}

#[tokio::test]
async fn servers_with_one_key_continue_each_others_calls() {
    let key = [7; 32];
    let server = |key: &[u8]| {
        Server::new(dispatcher().unwrap())
            .with_approval_key(key)
            .unwrap()
    };
    let user = User {
        says: ElicitationAction::Accept,
        asks: true,
    };
    let first = client(&server(&key), user.clone(), true).await;
    let state = question(&first).await.request_state;
    let second = client(&server(&key), user.clone(), true).await;
    let approved = second.call_tool_once(approval(call(), state.clone())).await;
    assert!(matches!(approved, Ok(CallToolResponse::Complete(_))));
    let third = client(&server(&[8; 32]), user, true).await;
    assert!(third.call_tool_once(approval(call(), state)).await.is_err());

    let weak = Server::new(dispatcher().unwrap()).with_approval_key([7; 16]);
    assert!(weak.unwrap_err().to_string().contains("has 16 bytes"));
}

#[tokio::test]
async fn a_cancelled_call_is_not_asked_about_any_longer() {
    let server = Server::new(dispatcher().unwrap());
    let mut client = ByHand::new(&server, json!({"elicitation": {}})).await;
    let params = json!({"name": "transfer", "arguments": {"cents": 5}});
    let asked = client.request(1, "tools/call", params).await;
    assert_eq!(asked["method"], "elicitation/create");
    let cancel = json!({"method": "notifications/cancelled", "params": {"requestId": 1}});
    client.send(cancel).await;
    let add = client.call(2, "add", json!({"a": 1, "b": 2})).await;
    assert_eq!(add["id"], 2);
}
