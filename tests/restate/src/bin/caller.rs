//! A caller of its own process: `caller remote RUN_ID INGRESS ADMIN`, or `caller local RUN_ID`, reads
//! calls as JSON from stdin, and writes their results as JSON.

use tool_core::{Dispatcher, ToolCall};
use tool_restate::Remote;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let calls: Vec<ToolCall> = serde_json::from_reader(std::io::stdin())?;
    let (run_id, tools) = match words[..] {
        ["remote", run_id, ingress, admin] => {
            (run_id, Remote::connect(ingress, admin).await?.tools())
        }
        ["local", run_id] => (run_id, restate_tests::all()),
        _ => return Err("usage: caller remote RUN_ID INGRESS ADMIN | caller local RUN_ID".into()),
    };
    let dispatcher = Dispatcher::new(tools).with_max_concurrency(1000);
    let results = dispatcher.dispatch_as(run_id, calls)?.await;
    println!("{}", serde_json::to_string(&results)?);
    Ok(())
}
