//! The clinical summary with its tools on three workers, under a Restate engine (durable
//! execution). `--kill` kills busy workers again and again: the calls move, and the summary is the
//! same.

mod cluster;
mod display;
#[path = "../patient_summary/scripted.rs"]
mod scripted;

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use patient_summary::{Latency, PatientDb, patient_tools};
use tool_core::{CallContext, CallService, Dispatcher, ToolError, ToolOutput};
use tool_openai::Agent;
use tool_restate::{Remote, Worker};
use tower::layer::layer_fn;
use tower::{Service, service_fn};

use cluster::{ADMIN, Cluster, INGRESS};
use display::Display;

/// Summarises a patient with tools on three workers.
///
/// Without OPENAI_API_KEY (or OPENAI_BASE_URL) a mock model answers. The engine is installed by
/// examples/clinic/install-engine.sh, or named by RESTATE_SERVER.
#[derive(Parser)]
#[command(name = "clinic")]
struct Options {
    /// Kill workers while they work.
    #[arg(long)]
    kill: bool,
    /// The model to ask.
    #[arg(long, default_value = "gpt-4o")]
    model: String,
    /// Be a worker: the port, and the database.
    #[arg(long, hide = true, num_args = 2)]
    worker: Option<Vec<String>>,
}

/// How long each query takes longer, so that there is something to see.
const LATENCY: Duration = Duration::from_millis(1500);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some([port, database]) = options.worker.as_deref() {
        let database = PatientDb::open(database, Latency::of(LATENCY)).await;
        let dispatcher = Dispatcher::new(patient_tools(database)).with_layer(layer_fn(watched));
        return Ok(Worker::new(dispatcher)
            .listen(format!("127.0.0.1:{port}"))
            .await?);
    }

    let display = Arc::new(Display::default());
    let cluster = Arc::new(Cluster::start(Arc::clone(&display)).await?);
    let remote = Remote::connect(INGRESS, ADMIN).await?;
    let (model, _script) = scripted::model().await?;
    println!(
        "Three workers, one engine; {} tools. Each query takes 1.5 to 2 s longer, as over a network.\n",
        remote.tools().len()
    );

    if options.kill {
        let cluster = Arc::clone(&cluster);
        tokio::spawn(async move {
            for _ in 0..3 {
                tokio::time::sleep(LATENCY / 2).await;
                cluster.kill_busiest().await;
            }
        });
    }
    let reply = Agent::new(model, options.model)
        .with_instructions("You write clinical summaries. Use only what the tools return.")
        .with_tools(Dispatcher::new(remote.tools()))
        .with_parallel_guidance()
        .run("Generate a complete clinical summary for patient P-00123.")
        .await?;
    println!("\n{}\n\nSummary:\n\n{reply}", display.sentence());
    Ok(())
}

/// Around each call of a worker: writes a line when it begins, and one when it has ended.
fn watched(
    tool: CallService,
) -> impl Service<CallContext, Response = ToolOutput, Error = ToolError, Future: Send + 'static>
+ Clone
+ Send
+ Sync
+ 'static {
    service_fn(move |context: CallContext| {
        let mut tool = tool.clone();
        async move {
            let name = context.tool().to_owned();
            println!("began {name}");
            let outcome = tool.call(context).await;
            println!("ended {name}");
            outcome
        }
    })
}
