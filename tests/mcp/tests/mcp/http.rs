//! Streamable HTTP: who makes a request, and from where it may come.

use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::StatusCode;
use mcp_tests::{add, split};
use serde_json::json;
use tokio::net::TcpListener;
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
