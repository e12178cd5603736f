//! An engine of its own, with a temporary folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tool_restate::register;

use crate::scenario::{Process, count, listens, until};

/// Where calls are sent.
pub const INGRESS: &str = "http://127.0.0.1:8080";

/// Where workers are registered.
pub const ADMIN: &str = "http://127.0.0.1:9070";

/// An engine with a folder of its own; one at a time, since it has its ports.
#[derive(Debug)]
pub struct Engine {
    process: Process,
    folder: TempDir,
    _alone: MutexGuard<'static, ()>,
}

/// A program that a variable names.
///
/// # Panics
/// It names none.
pub fn program(variable: &str, how: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(path) => path.into(),
        None => panic!("{variable} is not set: {how}"),
    }
}

impl Engine {
    /// Starts one, when no other is there.
    ///
    /// # Panics
    /// It does not start.
    pub fn start() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        Self {
            process: Self::run(folder.path()),
            folder,
            _alone: alone,
        }
    }

    fn run(folder: &Path) -> Process {
        let how = "npm install @restatedev/restate-server-linux-x64@1.7.12, and name its bin/restate-server";
        let mut command = Command::new(program("RESTATE_SERVER", how));
        command
            .args(["--no-logo", "--node-name", "n1", "--base-dir"])
            .arg(folder.join("engine"));
        for (name, value) in [
            ("RESTATE_LISTEN_MODE", "tcp"),
            ("RESTATE_BIND_IP", "127.0.0.1"),
            ("RESTATE_ADVERTISED_HOST", "127.0.0.1"),
            ("RESTATE_DISABLE_TELEMETRY", "true"),
            ("RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE", "256MB"),
        ] {
            command.env(name, value);
        }
        let process = Process::start(&mut command);
        until("the engine starts", || {
            listens("127.0.0.1:8080") && listens("127.0.0.1:9070")
        });
        process
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Asks it to stop, and starts it again in the same folder.
    pub fn stop_and_restart(&mut self) {
        self.process.stop();
        self.process = Self::run(self.folder.path());
    }

    /// Kills it. The next one starts when this value is dropped.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it, and starts it again in the same folder.
    pub fn kill_and_restart(&mut self) {
        self.process.kill();
        self.process = Self::run(self.folder.path());
    }

    /// What the tools of its workers write.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// How often a tool did something for a tag.
    pub fn count(&self, what: &str, tag: &str) -> usize {
        count(&self.log(), what, tag)
    }

    /// A worker, by its program, that listens at a port.
    ///
    /// # Panics
    /// It does not start.
    pub fn worker(&self, program: &str, port: u16) -> Process {
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(program);
        let worker = Process::start(command.arg(&address).env("LOG", self.log()));
        until("the worker starts", || listens(&address));
        worker
    }
}

/// Waits until the engine takes registrations.
///
/// # Panics
/// It does not take them.
pub async fn registered(worker: &str) {
    for _ in 0..200 {
        if register(ADMIN, worker).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    register(ADMIN, worker).await.unwrap();
}
