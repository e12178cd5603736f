//! What is asked for again, and what is not.

use super::*;

#[tokio::test]
async fn a_rate_limit_is_waited_for_and_retried() {
    let (text, requests) = answer([
        ScriptedReply::rate_limit(0),
        ScriptedReply::rate_limit(0),
        ScriptedReply::text("Hello."),
    ])
    .await;
    assert_eq!((text.unwrap().as_str(), requests), ("Hello.", 3));
}

#[tokio::test]
async fn a_server_error_is_tried_again() {
    let (text, requests) = answer([
        ScriptedReply::error(503, "unavailable", "Overloaded."),
        ScriptedReply::text("Hello."),
    ])
    .await;
    assert_eq!((text.unwrap().as_str(), requests), ("Hello.", 2));
}

#[tokio::test]
async fn retries_are_limited() {
    let (refused, requests) = answer(vec![ScriptedReply::rate_limit(0); 9]).await;
    assert!(matches!(
        refused,
        Err(ModelError::Status { status: 429, .. })
    ));
    assert_eq!(requests, 3);
}

#[tokio::test]
async fn a_rate_limit_of_more_than_a_minute_is_not_waited_for() {
    let (refused, requests) = answer([
        ScriptedReply::rate_limit(3600),
        ScriptedReply::text("Never said."),
    ])
    .await;
    assert!(matches!(
        refused,
        Err(ModelError::Status { status: 429, .. })
    ));
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn a_spent_quota_is_not_tried_again() {
    let (refused, requests) = answer([ScriptedReply::error(
        429,
        "insufficient_quota",
        "You exceeded your current quota.",
    )])
    .await;
    assert!(
        matches!(refused, Err(ModelError::Status { code: Some(code), .. }) if code == "insufficient_quota")
    );
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_named() {
    let client = OpenAi::new("key")
        .unwrap()
        .with_base_url("http://127.0.0.1:1/v1")
        .unwrap()
        .with_retries(0);
    let error = client.complete(&hello()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no whole answer from the service at http://127.0.0.1:1/v1/chat/completions: error sending request: client error (Connect): \
         tcp connect error: Connection refused (os error 111)"
    );
}

#[tokio::test]
async fn a_service_that_never_answers_times_out() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", silent.local_addr().unwrap());
    let client = OpenAi::new("key")
        .unwrap()
        .with_base_url(&url)
        .unwrap()
        .with_timeout(Duration::from_millis(50));
    assert!(matches!(
        client.complete(&hello()).await,
        Err(ModelError::Transport { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_takes_no_connection_is_tried_again() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let busy = socket.listen(0).unwrap();
    let address = busy.local_addr().unwrap();
    let waiting: Vec<_> = (0..100)
        .map_while(|_| {
            std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok()
        })
        .collect();
    if waiting.len() == 100 {
        return; // on this system a queue is never full
    }
    let start = Instant::now();
    let error = OpenAi::at(&format!("http://{address}/v1"))
        .unwrap()
        .complete(&hello())
        .await
        .unwrap_err();
    assert!(matches!(error, ModelError::Transport { .. }), "{error:?}");
    assert!(
        start.elapsed() >= Duration::from_secs(30),
        "three times ten seconds, but {:?}",
        start.elapsed()
    );
}
