//! A worker of its own process: `worker ADDRESS`. SIGTERM stops it, gracefully.

use tokio::signal::unix::{SignalKind, signal};
use tool_core::{CancellationToken, Dispatcher};
use tool_restate::Worker;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("usage: worker ADDRESS")?;
    let dispatcher = Dispatcher::new(restate_tests::all()).with_limits(|limits| {
        limits.argument_bytes = 64 << 20;
        (limits.output_bytes, limits.batch_output_bytes) = (64 << 20, 64 << 20);
    });
    let stop = CancellationToken::new();
    let (mut terminated, stopping) = (signal(SignalKind::terminate())?, stop.clone());
    tokio::spawn(async move {
        terminated.recv().await;
        stopping.cancel();
    });
    let worker = Worker::new(dispatcher).with_cancellation(stop);
    Ok(worker.listen(address).await?)
}
