//! The limits of a stream: of time, and of size.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_stream_has_an_idle_timeout_and_no_total_one() {
    let pace = |pace| two_calls().with_pace(Duration::from_secs(pace));
    let server = ScriptedServer::start([pace(50), pace(70)]).await.unwrap();
    let client = server
        .client()
        .unwrap()
        .with_timeout(Duration::from_secs(60));
    let start = Instant::now();
    read(&client, &request()).await.1.unwrap();
    assert!(start.elapsed() > Duration::from_secs(300));

    let (events, end) = read(&client, &request()).await;
    let Err(ModelError::Transport { source, .. }) = end else {
        panic!("{events:?} {end:?}")
    };
    assert_eq!(source.to_string(), "nothing came for 60s");
    assert_eq!(
        server.requests().len(),
        2,
        "a stream that falls silent is not asked for again"
    );
}

/// Answers with these bytes, and from then on with a comment every 20 seconds.
async fn commenting(answer: String) -> OpenAi {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _ = connection.read(&mut [0; 4096]).await.unwrap();
        let _ = connection.write_all(answer.as_bytes()).await;
        while connection.write_all(b": ping\n\n").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
    });
    OpenAi::at(&format!("http://{address}/v1"))
        .unwrap()
        .with_retries(0)
        .with_timeout(Duration::from_secs(60))
}

#[tokio::test(start_paused = true)]
async fn comments_do_not_reset_the_idle_timeout() {
    let head = |status| {
        format!(
            "HTTP/1.1 {status} Answer\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        )
    };
    let body = "data: {\"choices\": [{\"delta\": {\"content\": \"H\"}}]}\n\n";
    for answer in [head(200), head(200) + body] {
        let (_, end) = read(&commenting(answer).await, &request()).await;
        let Err(ModelError::Transport { source, .. }) = end else {
            panic!("{end:?}")
        };
        assert_eq!(source.to_string(), "nothing came for 60s");
    }
    let start = Instant::now();
    let (_, end) = read(&commenting(head(400)).await, &request()).await;
    assert!(
        matches!(end, Err(ModelError::Status { status: 400, .. })),
        "{end:?}"
    );
    assert!(
        start.elapsed() <= Duration::from_secs(61),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_have_a_total_time() {
    let server = ScriptedServer::start([two_calls().with_pace(Duration::from_secs(50))])
        .await
        .unwrap();
    let client = server
        .client()
        .unwrap()
        .with_total_timeout(Duration::from_secs(120));
    let (events, end) = read(&client, &request()).await;
    let Err(ModelError::Transport { source, .. }) = end else {
        panic!("{end:?}")
    };
    assert_eq!(
        source.to_string(),
        "the answer took longer than 120s in all"
    );
    assert!(!events.is_empty());
}

/// Also for a program that is slower than the service.
#[tokio::test(start_paused = true)]
async fn a_total_timeout_ends_a_stream_that_has_more_data() {
    let server = ScriptedServer::start([ScriptedReply::text("a ".repeat(500))])
        .await
        .unwrap();
    let client = server
        .client()
        .unwrap()
        .with_total_timeout(Duration::from_secs(120));
    let request = request();
    let mut events = client.stream(&request);
    let mut read = 0;
    let end = loop {
        match futures_util::StreamExt::next(&mut events).await {
            Some(Ok(_)) => read += 1,
            end => break end,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    assert!(
        matches!(end, Some(Err(ModelError::Transport { .. }))),
        "{end:?}"
    );
    assert!(read < 500, "{read}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_accepts_and_sends_nothing_times_out() {
    let client = raw(Vec::new(), false)
        .await
        .with_timeout(Duration::from_secs(60));
    let (_, end) = read(&client, &request()).await;
    assert!(matches!(end, Err(ModelError::Transport { .. })), "{end:?}");
}

#[tokio::test]
async fn an_endless_answer_is_an_error() {
    let mut endless = head("application/json");
    endless.push(b'{');
    endless.resize(endless.len() + (65 << 20), b' ');
    let client = raw(endless.clone(), true).await;
    let ends = [
        client.complete(&request()).await,
        read(&raw(endless, true).await, &request()).await.1,
    ];
    for end in ends {
        let Err(ModelError::InvalidResponse { reason, .. }) = end else {
            panic!("{end:?}")
        };
        assert_eq!(reason, "more than 67108864 bytes");
    }
}
