//! One client shared by a whole program: its connections, its key, and the waits that
//! the service asks for.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use tool_openai::chat::{Message, Request};
use tool_openai::testing::{ScriptedReply, ScriptedServer};
use tool_openai::{ChatModel, ModelError, OpenAi};

fn hello() -> Request {
    Request {
        model: "m".to_owned(),
        messages: vec![Message::user("Hi.")],
        ..Request::default()
    }
}

/// A server that notes the headers of each request, and where it is.
async fn noting() -> (String, Arc<Mutex<Vec<HeaderMap>>>) {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&noted);
    let answer = move |headers: HeaderMap| async move {
        notes.lock().unwrap().push(headers);
        r#"{"choices": [{"message": {"content": "Hello."}}]}"#
    };
    let app = Router::new().route("/chat/completions", post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (format!("http://{address}"), noted)
}

#[tokio::test]
async fn a_key_is_asked_for_before_each_request() {
    let (url, noted) = noting().await;
    let asked = AtomicUsize::new(0);
    let client = OpenAi::at(&url).unwrap().with_key_source(move || {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        async move { Ok::<_, io::Error>(format!("key-{number}")) }
    });
    for _ in 0..2 {
        client.complete(&hello()).await.unwrap();
    }
    let keys: Vec<_> = noted
        .lock()
        .unwrap()
        .iter()
        .map(|headers| headers["authorization"].clone())
        .collect();
    assert_eq!(keys, ["Bearer key-0", "Bearer key-1"]);
}

#[tokio::test]
async fn a_failing_key_source_ends_the_request_and_shows_no_key() {
    let (url, noted) = noting().await;
    let client = |key: Result<String, io::Error>| {
        let key = Mutex::new(Some(key));
        OpenAi::at(&url).unwrap().with_key_source(move || {
            let key = key.lock().unwrap().take().unwrap();
            async move { key }
        })
    };
    let gone = io::Error::other("the vault is sealed");
    let error = client(Err(gone)).complete(&hello()).await.unwrap_err();
    assert!(matches!(error, ModelError::Configuration(_)));
    assert_eq!(
        error.to_string(),
        "the source of keys gave none: the vault is sealed"
    );
    let error = client(Ok("a\nb".into()))
        .complete(&hello())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("a character that no key has"),
        "{error}"
    );
    assert_eq!(noted.lock().unwrap().len(), 0);

    let leaking = ScriptedServer::start_with(|_| {
        ScriptedReply::error(400, "bad", "your key sk-from-the-vault is bad")
    });
    let client = leaking.await.unwrap().client().unwrap();
    let client =
        client.with_key_source(|| async { Ok::<_, io::Error>("sk-from-the-vault".into()) });
    let error = client.complete(&hello()).await.unwrap_err();
    assert!(!format!("{error} {client:?}").contains("vault"), "{error}");
}

#[tokio::test]
async fn requests_use_the_programs_own_client() {
    let (url, noted) = noting().await;
    let http = reqwest::Client::builder()
        .user_agent("hospital/7")
        .build()
        .unwrap();
    let client = OpenAi::at("http://nowhere.invalid")
        .unwrap()
        .with_http_client(http);
    client
        .with_base_url(&url)
        .unwrap()
        .complete(&hello())
        .await
        .unwrap();
    let headers = noted.lock().unwrap()[0].clone();
    assert_eq!(headers["user-agent"], "hospital/7");
    assert_eq!(headers["accept-encoding"], "identity");
}

#[tokio::test]
async fn a_retry_after_wait_applies_to_all_clones() {
    let limited = ScriptedReply::rate_limit(1);
    let server =
        ScriptedServer::start([limited, ScriptedReply::text("a"), ScriptedReply::text("b")]);
    let server = server.await.unwrap();
    let client = server.client().unwrap();
    let refused = client.clone().with_retries(0).complete(&hello()).await;
    assert!(matches!(
        refused,
        Err(ModelError::Status { status: 429, .. })
    ));
    let began = Instant::now();
    let other = client.clone();
    let (first, second) = (hello(), hello());
    let (first, second) = tokio::join!(client.complete(&first), other.complete(&second));
    assert!(first.is_ok() && second.is_ok());
    assert!(
        began.elapsed() >= Duration::from_millis(900),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(server.requests().len(), 3);
}
