//! One call: from the request to its result.

use std::pin::pin;

use futures_util::{Stream, StreamExt};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, MetaObject,
    ProgressNotificationParam, ProgressToken,
};
use rmcp::service::{Peer, RequestContext, RoleServer};
use serde_json::Value;
use tool_core::{
    Decision, DispatchEvent, Dispatcher, ErrorCode, Progress, ToolCall, ToolError, ToolResult,
};

use super::approval::{self, Ability, Answer};
use super::handler::Handler;
use super::{GRACE, RequestParts};
use crate::wire::{self, CODE, IDEMPOTENCY_KEY};

impl<S: Send + Sync + 'static> Handler<S> {
    pub(super) async fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let cancelled = context.ct.clone();
        let mut answer = pin!(self.answer(request, &context));
        tokio::select! {
            response = &mut answer => return response,
            () = cancelled.cancelled() => {}
        }
        let dropped = || Err(ErrorData::internal_error("cancelled", None));
        match self.settings.cancellation.is_cancelled() {
            // Graceful shutdown.
            true => tokio::time::timeout(GRACE, answer)
                .await
                .unwrap_or_else(|_| dropped()),
            // The client receives no answer; what ran is dropped.
            false => dropped(),
        }
    }

    async fn answer(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let listed = self.shared.listed();
        if listed.tool(&request.name).is_none() {
            let message = format!("unknown tool `{}`", request.name);
            return Err(ErrorData::invalid_params(message, None));
        }
        let parts = RequestParts::new(context);
        let dispatcher = match (self.shared.bind)(&listed.dispatcher, &parts) {
            Ok(dispatcher) => dispatcher,
            Err(why) => return Ok(failure(&ToolError::new(ErrorCode::Denied, why)).into()),
        };
        let call = ToolCall::new(
            context.id.to_string(),
            request.name.clone(),
            Value::Object(request.arguments.clone().unwrap_or_default()).to_string(),
        );
        // The client sends the answer to a question of ours; it counts if the question was about
        // this call. The policy is asked again: it may have other reasons by now.
        let answer = match &request.request_state {
            Some(sealed) => {
                self.settings.seal.open(sealed, &call)?;
                approval::answer(request.input_responses.as_ref())
            }
            None => None,
        };
        if let Some(why) = answer.and_then(Answer::refusal) {
            return Ok(failure(&ToolError::new(ErrorCode::Denied, why)).into());
        }
        let mut progress = ProgressSender::new(context);
        let result = start(&dispatcher, call, context, &mut progress).await?;
        if result.held_for().is_none() {
            return Ok(to_response(&result, &dispatcher).into());
        }
        let answer = match (answer, approval::ability(context)) {
            (Some(answer), _) => answer,
            (None, Ability::Stateless) => {
                let state = self.settings.seal.close(result.call());
                return Ok(approval::question(&result, state).into());
            }
            (None, Ability::Asked) => approval::ask(&context.peer, &result).await,
            (None, Ability::None) => Answer::Impossible,
        };
        match answer.refusal() {
            None => {
                let result = resume(&dispatcher, result, &mut progress).await?;
                Ok(to_response(&result, &dispatcher).into())
            }
            Some(why) => Ok(failure(&ToolError::new(ErrorCode::Denied, why)).into()),
        }
    }
}

/// Runs the call, unless the policy holds it.
async fn start(
    dispatcher: &Dispatcher,
    call: ToolCall,
    context: &RequestContext<RoleServer>,
    progress: &mut ProgressSender<'_>,
) -> Result<ToolResult, ErrorData> {
    let key = context.meta.0.0.get(IDEMPOTENCY_KEY);
    let results = match key.map(|key| key.as_str().unwrap_or_default()) {
        None => dispatcher.stream(vec![call]),
        Some(key) => dispatcher.stream_as(key, vec![call]).map_err(|error| {
            ErrorData::invalid_params(format!("`_meta` key `{IDEMPOTENCY_KEY}`: {error}"), None)
        })?,
    };
    progress.follow(results.events()).await
}

/// Runs a held call, which is approved.
async fn resume(
    dispatcher: &Dispatcher,
    held: ToolResult,
    progress: &mut ProgressSender<'_>,
) -> Result<ToolResult, ErrorData> {
    let position = held.position();
    let resumed = dispatcher
        .resume_stream(vec![held], vec![(position, Decision::Allow)])
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    progress.follow(resumed).await
}

/// Reports the progress of a call, if the client asks for it.
struct ProgressSender<'a> {
    peer: &'a Peer<RoleServer>,
    token: Option<ProgressToken>,
    last: f64,
}

impl<'a> ProgressSender<'a> {
    fn new(context: &'a RequestContext<RoleServer>) -> Self {
        Self {
            peer: &context.peer,
            token: context.meta.get_progress_token(),
            last: 0.0,
        }
    }

    /// The result of the one call.
    async fn follow(
        &mut self,
        mut events: impl Stream<Item = DispatchEvent> + Unpin,
    ) -> Result<ToolResult, ErrorData> {
        while let Some(event) = events.next().await {
            match event {
                DispatchEvent::Progress(progress) => self.send(progress).await,
                DispatchEvent::Result(result) => return Ok(result),
                _ => {}
            }
        }
        Err(unanswered())
    }

    async fn send(&mut self, progress: Progress) {
        let Some(token) = self.token.clone() else {
            return;
        };
        // The protocol requires each report to be more than the last, which a tool need not know.
        let fraction = progress.fraction.filter(|fraction| *fraction > self.last);
        self.last = fraction.unwrap_or(self.last + f64::EPSILON);
        let mut report = ProgressNotificationParam::new(token, self.last);
        report.total = progress.fraction.map(|_| 1.0);
        report.message = Some(progress.message);
        // A disconnected client is detected elsewhere.
        _ = self.peer.notify_progress(report).await;
    }
}

fn unanswered() -> ErrorData {
    ErrorData::internal_error("the call was not answered", None)
}

fn to_response(result: &ToolResult, dispatcher: &Dispatcher) -> CallToolResult {
    let output = match result.outcome() {
        Ok(output) => output,
        Err(error) => return failure(error),
    };
    let mut response = CallToolResult::success(wire::to_blocks(output));
    let definition = dispatcher.tools().definition(result.name());
    if definition.is_some_and(|definition| definition.output_schema().is_some()) {
        response.structured_content = output.structured();
    }
    response
}

fn failure(error: &ToolError) -> CallToolResult {
    let mut response = CallToolResult::error(vec![ContentBlock::text(error.message_for_model())]);
    let mut meta = MetaObject::new();
    meta.0.insert(CODE.to_owned(), error.code().as_str().into());
    response.meta = Some(meta);
    response
}
