//! A tool that runs on a server.

use std::sync::Arc;

use jsonschema::Validator;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, CancelledNotificationParam,
    ClientRequest, JsonObject, RequestId, RequestMetaObject, ServerResult,
};
use rmcp::service::{Peer, PeerRequestOptions, RoleClient};
use serde_json::Value;
use serde_json::value::RawValue;
use tool_core::{
    CallContext, Content, ErrorCode, Tool, ToolDefinition, ToolError, ToolFuture, ToolOutput,
    read_arguments,
};

use super::failure;
use super::supervisor::Link;
use crate::trace;
use crate::wire::{self, CODE, IDEMPOTENCY_KEY};

/// The most characters of a value that a mistake quotes, and of a mistake: names of properties are
/// the model's, too.
const MOST_OF_VALUE: usize = 100;
const MOST_OF_MISTAKE: usize = 1000;

pub(super) struct RemoteTool {
    definition: ToolDefinition,
    validator: Validator,
    link: Arc<Link>,
}

impl RemoteTool {
    pub(super) fn new(definition: ToolDefinition, validator: Validator, link: Arc<Link>) -> Self {
        Self {
            definition,
            validator,
            link,
        }
    }

    async fn run(&self, context: &CallContext, arguments: &str) -> Result<ToolOutput, ToolError> {
        let arguments = read_arguments(arguments)?;
        let peer = self.link.peer().await?;
        let answer = self.send(&peer, context, arguments).await;
        if answer.as_ref().is_err_and(failure::is_of_connection) {
            self.link.suspect();
        }
        let result = match answer.map_err(failure::to_error)? {
            ServerResult::CallToolResult(result) => result,
            // A result without any of its fields.
            ServerResult::EmptyResult(_) => CallToolResult::default(),
            ServerResult::InputRequiredResult(_) => {
                return Err(ToolError::new(
                    ErrorCode::Denied,
                    "the tool's server asks for input of its user, which this program cannot give",
                ));
            }
            _ => {
                let text = "the answer of the tool's server is not the result of a call";
                return Err(ToolError::new(ErrorCode::ToolError, text));
            }
        };
        self.read(result)
    }

    async fn send(
        &self,
        peer: &Peer<RoleClient>,
        context: &CallContext,
        arguments: JsonObject,
    ) -> Result<ServerResult, failure::Failure> {
        let mut meta = RequestMetaObject::new();
        let key = context.idempotency_key();
        meta.0.0.insert(IDEMPOTENCY_KEY.to_owned(), key.into());
        trace::pass_on(&mut meta);
        let name = self.definition.name().to_owned();
        let params = CallToolRequestParams::new(name).with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let options = PeerRequestOptions::no_options().with_meta(meta);
        let sent = peer
            .send_cancellable_request(request, options)
            .await
            .map_err(failure::Failure::BeforeSending)?;
        let _progress = self
            .link
            .progress()
            .to(sent.progress_token.clone(), context);
        let mut cancel = CancelOnDrop(Some((peer.clone(), sent.id.clone())));
        let answer = sent.rx.await;
        cancel.0 = None;
        match answer {
            Ok(answer) => answer.map_err(failure::Failure::Answered),
            Err(_) => Err(failure::Failure::Lost),
        }
    }

    fn read(&self, result: CallToolResult) -> Result<ToolOutput, ToolError> {
        let CallToolResult {
            content,
            structured_content,
            is_error,
            meta,
            ..
        } = result;
        let is_empty = content.is_empty();
        let output = wire::from_blocks(content);
        if is_error == Some(true) {
            let code = meta.as_ref().and_then(|meta| meta.0.get(CODE));
            let code = failure::code_of(code.and_then(Value::as_str));
            return Err(ToolError::new(code, output.into_text()));
        }
        let publishes = self.definition.output_schema().is_some();
        match (structured_content, output.blocks()) {
            (Some(value), [Content::Text(text)]) if is_empty || publishes => {
                // The server's own spelling, where its text is of the same value.
                let is_same = serde_json::from_str(text).is_ok_and(|read: Value| read == value);
                match serde_json::from_str::<Box<RawValue>>(text) {
                    Ok(spelled) if is_same => ToolOutput::from_serialize(&spelled),
                    _ => ToolOutput::from_serialize(&value),
                }
            }
            _ => Ok(output),
        }
    }
}

impl Tool for RemoteTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call<'a>(&'a self, context: &'a CallContext, arguments: &'a str) -> ToolFuture<'a> {
        Box::pin(self.run(context, arguments))
    }

    fn check(&self, arguments: &str) -> Result<(), ToolError> {
        const MOST: usize = 3; // mistakes that are named
        let arguments = Value::Object(read_arguments(arguments)?);
        let mistakes: Vec<String> = self
            .validator
            .iter_errors(&arguments)
            .take(MOST)
            .map(|error| {
                // Only the beginning: the model has written it, and reads it again.
                let value = shortened(error.instance().to_string(), MOST_OF_VALUE);
                let mistake = error.masked_with(value);
                let text = match error.instance_path().to_string() {
                    root if root.is_empty() => mistake.to_string(),
                    path => format!(
                        "`{}`: {mistake}",
                        path.trim_start_matches('/').replace('/', ".")
                    ),
                };
                shortened(text, MOST_OF_MISTAKE)
            })
            .collect();
        match mistakes.is_empty() {
            true => Ok(()),
            false => Err(ToolError::invalid_arguments(mistakes.join("; "))),
        }
    }
}

/// The first characters of a text.
fn shortened(mut text: String, most: usize) -> String {
    if let Some((at, _)) = text.char_indices().nth(most) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// Asks the server to cancel a call that its caller dropped.
struct CancelOnDrop(Option<(Peer<RoleClient>, RequestId)>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some((peer, id)) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                let reason = Some("the caller no longer waits".to_owned());
                let cancelled = CancelledNotificationParam::new(Some(id), reason);
                _ = peer.notify_cancelled(cancelled).await;
            });
        }
    }
}
