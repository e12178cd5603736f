//! The error of a call without a result, with an accurate code.

use std::error::Error;

use rmcp::model::ErrorCode as WireCode;
use rmcp::service::ServiceError;
use rmcp::transport::streamable_http_client::{HttpStatusError, StreamableHttpError};
use tool_core::{ErrorCode, ToolError};

/// Why a call has no result.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was not sent.
    BeforeSending(ServiceError),
    /// The error of sending it.
    Answered(ServiceError),
    /// The connection was closed while it ran.
    Lost,
}

/// Whether the failure concerns the connection rather than the call.
pub(super) fn is_of_connection(failure: &Failure) -> bool {
    !matches!(failure, Failure::Answered(ServiceError::McpError(_)))
}

/// The texts are ours: those of the server or the network may be long, or hold an address with a
/// key in it. The program has them as the source.
pub(super) fn to_error(failure: Failure) -> ToolError {
    match failure {
        Failure::BeforeSending(error) => not_sent(error),
        Failure::Lost => lost(),
        Failure::Answered(ServiceError::McpError(error)) => {
            let code = code_of_protocol(error.code, &error.message);
            ToolError::new(code, error.message.to_string()).with_source(error)
        }
        Failure::Answered(error) => match http_failure(&error) {
            Some(HttpFailure::NotConnected) => not_sent(error),
            Some(HttpFailure::Status(status @ (408 | 504))) => {
                let text = format!(
                    "the tool's server took too long (HTTP {status}); the tool may have acted"
                );
                ToolError::new(ErrorCode::TimeoutIndeterminate, text).with_source(error)
            }
            Some(HttpFailure::Status(status @ 400..500)) => {
                let text = format!("the tool's server refused the call (HTTP {status})");
                ToolError::new(ErrorCode::NotStarted, text).with_source(error)
            }
            _ => lost().with_source(error),
        },
    }
}

fn lost() -> ToolError {
    ToolError::new(
        ErrorCode::LostIndeterminate,
        "the connection to the tool's server was lost; the tool may have acted",
    )
}

fn not_sent(error: ServiceError) -> ToolError {
    let text = "the call could not be sent to the tool's server";
    ToolError::new(ErrorCode::NotStarted, text).with_source(error)
}

/// What is known of a failed HTTP request.
enum HttpFailure {
    /// No server received it.
    NotConnected,
    Status(u16),
}

fn http_failure(error: &ServiceError) -> Option<HttpFailure> {
    let mut error: &(dyn Error + 'static) = match error {
        ServiceError::TransportSend(error) => &*error.error,
        _ => return None,
    };
    loop {
        if let Some(HttpStatusError { status, .. }) = error.downcast_ref() {
            return Some(HttpFailure::Status(*status));
        }
        if let Some(error) = error.downcast_ref::<reqwest::Error>() {
            return match error.status() {
                Some(status) => Some(HttpFailure::Status(status.as_u16())),
                None => error.is_connect().then_some(HttpFailure::NotConnected),
            };
        }
        error = match error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
            Some(StreamableHttpError::Client(error)) => error,
            Some(StreamableHttpError::HttpStatus(error)) => error,
            Some(StreamableHttpError::AuthRequired(_)) => return Some(HttpFailure::Status(401)),
            Some(StreamableHttpError::InsufficientScope(_)) => {
                return Some(HttpFailure::Status(403));
            }
            _ => error.source()?,
        };
    }
}

/// The code of an error of the protocol.
fn code_of_protocol(code: WireCode, message: &str) -> ErrorCode {
    match code {
        WireCode::INVALID_PARAMS if message.to_lowercase().contains("unknown tool") => {
            ErrorCode::UnknownTool
        }
        WireCode::INVALID_PARAMS => ErrorCode::InvalidArguments,
        _ => ErrorCode::ToolError,
    }
}

/// The code that the server names, unless only a dispatcher of this program can know it.
pub(super) fn code_of(named: Option<&str>) -> ErrorCode {
    match named.and_then(|text| text.parse().ok()) {
        None | Some(ErrorCode::Held) => ErrorCode::ToolError,
        Some(code) => code,
    }
}
