//! Streamable HTTP: who makes a request, and from where it may come.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::StatusCode;
use mcp_tests::{add, split};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tool_core::{CancellationToken, Dispatcher, tool, tools};
use tool_mcp::{Client, HttpTransport, Server, connect};

use crate::support::{calls, codes, contents};

/// Serves it on loopback; the address of its endpoint.
async fn serve<S: Send + Sync + 'static>(server: &Server<S>) -> String {
    /// What verifies a token, and says whose it is.
    async fn authenticate(mut request: Request, next: Next) -> Response {
        let token = request.headers().get("authorization");
        if token.is_some_and(|token| token == "Bearer ada's token") {
            request.extensions_mut().insert(User("Ada"));
        }
        next.run(request).await
    }

    let app = axum::Router::new()
        .route_service("/mcp", server.service())
        .layer(from_fn(authenticate));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[derive(Clone, Copy)]
struct User(&'static str);

struct Session {
    user: &'static str,
    ward: String,
}

/// Say who asks, and for which ward.
#[tool]
fn whoami(#[state] session: &Session) -> String {
    format!("{} of {}", session.user, session.ward)
}

fn with_sessions() -> Server<Session> {
    Server::with_state(Dispatcher::new(tools![whoami]), |request| {
        let User(user) = request.extension().ok_or("log in first")?;
        let ward = request.header("x-ward").unwrap_or("no ward").to_owned();
        Ok::<_, &str>(Session { user, ward })
    })
}

async fn ask(client: &Client) -> String {
    let dispatcher = Dispatcher::new(client.tools());
    contents(&dispatcher.dispatch(calls([("whoami", "{}")])).await).remove(0)
}

#[tokio::test]
async fn each_request_has_the_state_of_its_sender() {
    let url = serve(&with_sessions()).await;
    let ada = HttpTransport::new(&url).with_bearer_token("ada's token");
    let on_ward = connect(ada.clone().with_header("x-ward", "ward 3"))
        .await
        .unwrap();
    let anywhere = connect(ada).await.unwrap();
    let nobody = connect(HttpTransport::new(&url).with_bearer_token("guessed"))
        .await
        .unwrap();
    let (first, second, third) = tokio::join!(ask(&on_ward), ask(&anywhere), ask(&nobody));
    assert_eq!(first, "Ada of ward 3");
    assert_eq!(second, "Ada of no ward");
    assert_eq!(third, r#"{"error":"log in first","tool":"whoami"}"#);
}

#[tokio::test]
async fn all_clients_share_the_limits_of_one_dispatcher() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);

    /// Run for a while.
    #[tool(concurrency = 2)]
    async fn counted() {
        let running = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
        MOST.fetch_max(running, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }

    let url = serve(&Server::new(Dispatcher::new(tools![counted]))).await;
    let call = async || {
        let client = connect(HttpTransport::new(&url)).await.unwrap();
        let dispatcher = Dispatcher::new(client.tools());
        let results = dispatcher
            .dispatch(calls([
                ("counted", "{}"),
                ("counted", "{}"),
                ("counted", "{}"),
            ]))
            .await;
        assert_eq!(codes(&results), ["ok"; 3]);
    };
    tokio::join!(call(), call(), call());
    assert_eq!(MOST.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn other_hosts_and_pages_are_refused() {
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let status = async |server: &Server, name: &'static str, value: &str| {
        let request = reqwest::Client::new()
            .post(serve(server).await)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .header(name, value)
            .body(ping.clone());
        request.send().await.unwrap().status()
    };
    let server = Server::new(Dispatcher::new(tools![add]));
    let is_forbidden = |status| status == StatusCode::FORBIDDEN;
    assert!(is_forbidden(status(&server, "host", "evil.example").await));
    assert!(is_forbidden(
        status(&server, "origin", "https://evil.example").await
    ));
    assert!(is_forbidden(status(&server, "origin", "null").await));
    assert!(!is_forbidden(
        status(&server, "origin", "http://localhost:6274").await
    ));

    let open = server
        .with_allowed_hosts(["clinic.example"])
        .with_allowed_origins(["https://app.example:443"]);
    assert!(!is_forbidden(status(&open, "host", "clinic.example").await));
    assert!(is_forbidden(
        status(&open, "origin", "http://localhost:6274").await
    ));
}

#[tokio::test]
async fn other_tools_reach_a_client_over_http() {
    let server = Server::new(Dispatcher::new(tools![add]));
    let url = serve(&server).await;
    let mut client = connect(HttpTransport::new(url)).await.unwrap();
    assert_eq!(client.tools().names().collect::<Vec<_>>(), ["add"]);
    // The client may not have asked to be notified by now; then it lists them when it has.
    server.replace_tools(tools![add, split]);
    client.changed().await;
    assert_eq!(client.tools().names().collect::<Vec<_>>(), ["add", "split"]);
}

/// A server of the revision 2025-11-25 by hand, which answers calls with this status and body.
async fn answering(status: u16, body: &'static str) -> String {
    use axum::Json;
    use axum::response::IntoResponse;
    use serde_json::Value;

    let answer = move |Json(request): Json<Value>| async move {
        let result = match request["method"].as_str().unwrap_or_default() {
            "initialize" => json!({
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "by hand", "version": "0"},
            }),
            "tools/list" => json!({"tools": [{"name": "tool", "inputSchema": {"type": "object"}}]}),
            "tools/call" => {
                let status = StatusCode::from_u16(status).unwrap();
                let kind = match body.starts_with('{') {
                    true => "application/json",
                    false => "text/html",
                };
                return (status, [("content-type", kind)], body).into_response();
            }
            "server/discover" => {
                let error = json!({"code": -32601, "message": "no such method"});
                return Json(json!({"jsonrpc": "2.0", "id": request["id"], "error": error}))
                    .into_response();
            }
            _ => return StatusCode::ACCEPTED.into_response(),
        };
        Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).into_response()
    };
    let app = axum::Router::new().route("/mcp", axum::routing::post(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp?key=secret", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn errors_of_a_gateway_have_an_accurate_code() {
    let no_id =
        r#"{"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": "no session"}}"#;
    for (status, body, code) in [
        (400, "<html>", "not_started"),
        (401, "<html>", "not_started"),
        (403, "<html>", "not_started"),
        (404, "<html>", "not_started"),
        (408, "<html>", "timeout_indeterminate"),
        (413, "<html>", "not_started"),
        (429, "<html>", "not_started"),
        (500, "<html>", "lost_indeterminate"),
        (502, "<html>", "lost_indeterminate"),
        (504, "<html>", "timeout_indeterminate"),
        (200, "<html>", "lost_indeterminate"),
        (200, "{", "lost_indeterminate"),
        (400, no_id, "tool_error"),
        (200, no_id, "tool_error"),
    ] {
        let client = connect(HttpTransport::new(answering(status, body).await))
            .await
            .unwrap();
        let dispatcher = Dispatcher::new(client.tools()).with_timeout(Duration::from_secs(60));
        let results = dispatcher.dispatch(calls([("tool", "{}")])).await;
        assert_eq!(codes(&results), [code], "{status} {body}");
        let read = contents(&results).remove(0);
        assert!(!read.contains("secret") && !read.contains("html"), "{read}");
    }
}

#[tokio::test]
async fn no_text_shows_the_key_in_an_address() {
    let transport = HttpTransport::new("http://user:secret@127.0.0.1:9/secret?key=secret")
        .with_bearer_token("secret")
        .with_header("x-key", "secret");
    assert!(!format!("{transport:?}").contains("secret"));
    let error = connect(transport).await.unwrap_err();
    let mut source: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = source {
        assert!(!error.to_string().contains("secret"), "{error}");
        source = error.source();
    }
}

#[tokio::test]
async fn calls_that_run_at_shutdown_are_answered() {
    /// A permit for each call that has started, and one for each that may end.
    struct Gates {
        started: Semaphore,
        end: Semaphore,
    }

    /// End when it may.
    #[tool]
    async fn waits(#[state] gates: &Arc<Gates>) -> &'static str {
        gates.started.add_permits(1);
        _ = gates.end.acquire().await;
        "done"
    }

    let gates = Arc::new(Gates {
        started: Semaphore::new(0),
        end: Semaphore::new(0),
    });
    let stop = CancellationToken::new();
    let set = tools![waits].with_state(Arc::clone(&gates));
    let server = Server::new(Dispatcher::new(set)).with_cancellation(stop.clone());
    let over_http = connect(HttpTransport::new(serve(&server).await))
        .await
        .unwrap();
    let in_memory = crate::support::connected(&server).await;
    let call = async |client: &Client| {
        let dispatcher = Dispatcher::new(client.tools());
        contents(&dispatcher.dispatch(calls([("waits", "{}")])).await).remove(0)
    };
    let shut_down = async {
        _ = gates.started.acquire_many(2).await;
        stop.cancel();
        gates.end.add_permits(2);
    };
    let (first, second, ()) = tokio::join!(call(&over_http), call(&in_memory), shut_down);
    assert_eq!([first, second], ["done", "done"]);
}

#[tokio::test]
async fn a_server_that_is_cancelled_ends_its_connections() {
    let stop = CancellationToken::new();
    let server = Server::new(Dispatcher::new(tools![add])).with_cancellation(stop.clone());
    let app = axum::Router::new().route_service("/mcp", server.service());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let serving = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
    let serving = tokio::spawn(async move { serving.await });
    let client = connect(HttpTransport::new(url)).await.unwrap();
    stop.cancel();
    serving.await.unwrap().unwrap(); // although the client still listens
    drop(client);
}
