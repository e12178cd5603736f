//! An engine, three workers, and a load balancer.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::display::Display;

pub(crate) const INGRESS: &str = "http://127.0.0.1:8080";
pub(crate) const ADMIN: &str = "http://127.0.0.1:9070";
const BALANCER: &str = "127.0.0.1:9300";
const PORTS: [u16; 3] = [9301, 9302, 9303];

/// All of them end when this is dropped.
pub(crate) struct Cluster {
    workers: Mutex<Vec<Child>>,
    _engine: Child,
    folder: TempDir,
    display: Arc<Display>,
}

impl Cluster {
    pub(crate) async fn start(display: Arc<Display>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let engine = engine(folder.path()).await?;
        let mut workers = Vec::new();
        for number in 0..PORTS.len() {
            workers.push(worker(number, folder.path(), &display).await?);
        }
        tokio::spawn(balance(TcpListener::bind(BALANCER).await?));
        tool_restate::register(ADMIN, &format!("http://{BALANCER}")).await?;
        Ok(Self {
            workers: Mutex::new(workers),
            _engine: engine,
            folder,
            display,
        })
    }

    /// Kills the worker that runs most calls, at once, and starts another in its place.
    pub(crate) async fn kill_busiest(&self) {
        let Some(number) = self.display.busiest() else {
            return;
        };
        let mut workers = self.workers.lock().await;
        _ = workers[number].kill().await;
        self.display.killed(number);
        if let Ok(another) = worker(number, self.folder.path(), &self.display).await {
            workers[number] = another;
        }
    }
}

fn engine_program() -> anyhow::Result<PathBuf> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("engine/node_modules/@restatedev/restate-server-linux-x64/bin/restate-server");
    match env::var_os("RESTATE_SERVER") {
        Some(path) => Ok(path.into()),
        None if installed.exists() => Ok(installed),
        None => bail!(
            "there is no engine. Run examples/clinic/install-engine.sh, which gets Restate's server from npm, or name its program in RESTATE_SERVER"
        ),
    }
}

async fn engine(folder: &Path) -> anyhow::Result<Child> {
    let program = engine_program()?;
    let engine = Command::new(&program)
        .args(["--no-logo", "--node-name", "n1", "--base-dir"])
        .arg(folder.join("engine"))
        .env("RESTATE_LISTEN_MODE", "tcp")
        .env("RESTATE_BIND_IP", "127.0.0.1")
        .env("RESTATE_ADVERTISED_HOST", "127.0.0.1")
        .env("RESTATE_DISABLE_TELEMETRY", "true")
        .env("RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE", "256MB")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("the engine {} does not start", program.display()))?;
    listening("127.0.0.1:8080").await?;
    listening("127.0.0.1:9070").await?;
    Ok(engine)
}

async fn worker(number: usize, folder: &Path, display: &Arc<Display>) -> anyhow::Result<Child> {
    let port = PORTS[number];
    let database = format!("sqlite://{}?mode=rwc", folder.join("patients.db").display());
    let mut worker = Command::new(env::current_exe()?)
        .args(["--worker", &port.to_string(), &database])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = worker.stdout.take().context("its stdout is piped")?;
    let display = Arc::clone(display);
    tokio::spawn(async move {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            display.happened(number, &line);
        }
    });
    listening(&format!("127.0.0.1:{port}")).await?;
    Ok(worker)
}

async fn listening(address: &str) -> anyhow::Result<()> {
    for _ in 0..600 {
        if TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("nothing listens at {address}")
}

/// Gives each connection to the next worker that is alive.
async fn balance(listener: TcpListener) {
    let next = Arc::new(AtomicUsize::new(0));
    while let Ok((mut engine, _)) = listener.accept().await {
        let next = Arc::clone(&next);
        tokio::spawn(async move {
            for _ in 0..PORTS.len() {
                let port = PORTS[next.fetch_add(1, Ordering::Relaxed) % PORTS.len()];
                if let Ok(mut worker) = TcpStream::connect(("127.0.0.1", port)).await {
                    _ = (engine.set_nodelay(true), worker.set_nodelay(true));
                    _ = copy_bidirectional(&mut engine, &mut worker).await;
                    return;
                }
            }
        });
    }
}
