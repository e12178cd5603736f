//! A browser, the dashboard and a PostgreSQL server, each a process of its own.

use std::fmt::Debug;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chromiumoxide::browser::{Browser, BrowserConfig};
use chromiumoxide::handler::viewport::Viewport;
use chromiumoxide::page::{Page, ScreenshotParams};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::time::sleep;

/// Longer than anything takes that ends.
const LONG: Duration = Duration::from_secs(30);

/// The dashboard's process.
pub struct Dashboard {
    process: Child,
    pub url: String,
}

impl Dashboard {
    /// Starts it at a port (0 for a free one), with its data in a folder.
    ///
    /// # Panics
    /// `DASHBOARD` names no such program.
    pub fn start(data: &Path, port: u16, arguments: &[&str], database: Option<&str>) -> Self {
        let program = std::env::var_os("DASHBOARD").expect(
            "DASHBOARD is not set: `cargo build -p dashboard`, and name target/debug/dashboard",
        );
        let mut command = Command::new(program);
        command
            .arg("--data")
            .arg(data)
            .args(["--port", &port.to_string()])
            .args(arguments);
        for name in ["OPENAI_API_KEY", "OPENAI_BASE_URL", "DATABASE_URL"] {
            command.env_remove(name);
        }
        command.envs(database.map(|url| ("DATABASE_URL", url)));
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the dashboard starts");
        let mut lines = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        let url = lines
            .next()
            .expect("it prints its address")
            .expect("it is text");
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url }
    }

    pub fn port(&self) -> u16 {
        let port = self
            .url
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        port.expect("the address ends with a port")
    }

    /// Kills it, as a power cut does.
    pub fn kill(mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// A browser without a window.
pub struct Window {
    browser: Browser,
    pub page: Page,
    _profile: TempDir,
}

impl Window {
    /// # Panics
    /// `CHROMIUM` names no browser.
    pub async fn open(width: u32) -> Self {
        let program = std::env::var_os("CHROMIUM")
            .map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let config = BrowserConfig::builder()
            .chrome_executable(program)
            .no_sandbox()
            .user_data_dir(profile.path())
            .window_size(width, 1000)
            .viewport(Viewport {
                width,
                height: 1000,
                ..Viewport::default()
            })
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-quic",
            ])
            .build()
            .expect("CHROMIUM names a browser; Debian's package is `chromium`");
        let (browser, mut events) = Browser::launch(config).await.expect("the browser starts");
        tokio::spawn(async move { while events.next().await.is_some() {} });
        let page = browser.new_page("about:blank").await.expect("a page");
        Self {
            browser,
            page,
            _profile: profile,
        }
    }

    pub async fn goto(&self, url: &str) {
        self.page.goto(url).await.expect("the page loads");
    }

    /// The value of an expression in the page, when there is one.
    pub async fn value<T: DeserializeOwned>(&self, expression: &str) -> Option<T> {
        let value = self.page.evaluate(expression).await.ok()?; // none while another page loads
        value.into_value().ok()
    }

    /// Waits until an expression is true.
    ///
    /// # Panics
    /// It is not within half a minute.
    pub async fn wait(&self, expression: &str) {
        let start = Instant::now();
        while self.value::<bool>(expression).await != Some(true) {
            if start.elapsed() > LONG {
                let text = self.value::<String>("document.body.innerText").await;
                panic!("never true: {expression}\n{}", text.unwrap_or_default());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the page has this text.
    pub async fn wait_for(&self, text: &str) {
        self.wait(&format!("document.body.innerText.includes({text:?})"))
            .await;
    }

    /// The text of what a selector finds.
    pub async fn text(&self, selector: &str) -> String {
        let text = self
            .value(&format!("document.querySelector({selector:?}).innerText"))
            .await;
        text.unwrap_or_default()
    }

    /// Clicks the button with this text.
    pub async fn click(&self, text: &str) {
        let button = format!(
            "[...document.querySelectorAll('button')].find(button => button.innerText === {text:?})"
        );
        self.wait(&format!("{button} !== undefined")).await;
        // A form leads to another page: what is there now is none of it.
        self.page
            .evaluate(format!("window.old = true; {button}.click()"))
            .await
            .expect("it is clicked");
        self.wait("window.old === undefined").await;
    }

    pub async fn assert_eq<T: DeserializeOwned + Debug + PartialEq>(
        &self,
        expression: &str,
        expected: T,
    ) {
        assert_eq!(
            self.value::<T>(expression).await,
            Some(expected),
            "{expression}"
        );
    }

    /// For people: a picture in the folder that `SCREENSHOTS` names.
    pub async fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("SCREENSHOTS") {
            let file = Path::new(&folder).join(format!("{name}.png"));
            let whole = ScreenshotParams::builder().full_page(true).build();
            self.page
                .save_screenshot(whole, file)
                .await
                .expect("the picture is saved");
        }
    }

    pub async fn close(mut self) {
        _ = self.browser.close().await;
        _ = self.browser.wait().await;
    }
}

/// A PostgreSQL server that can be stopped and started again.
pub struct Postgres {
    bin: PathBuf,
    folder: TempDir,
    port: u16,
}

impl Postgres {
    /// # Panics
    /// Debian's package `postgresql` is not installed.
    pub fn start() -> Self {
        let versions =
            std::fs::read_dir("/usr/lib/postgresql").expect("Debian's package `postgresql`");
        let bins = versions.flatten().map(|version| version.path().join("bin"));
        let folder = tempfile::Builder::new()
            .prefix("postgres")
            .tempdir_in("/tmp")
            .expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let postgres = Self {
            bin: bins.max().expect("a version of PostgreSQL"),
            folder,
            port: port.port(),
        };
        // It does not run as root.
        _ = Command::new("chown")
            .arg("postgres")
            .arg(postgres.folder.path())
            .status();
        postgres.run(
            "initdb",
            &[
                "-U",
                "app",
                "--auth=trust",
                "--no-sync",
                "--locale=C",
                "--encoding=UTF8",
            ],
        );
        postgres.up();
        postgres
    }

    pub fn url(&self) -> String {
        format!("postgres://app@127.0.0.1:{}/postgres", self.port)
    }

    pub fn up(&self) {
        let folder = self.folder.path().display();
        let options = format!("-h 127.0.0.1 -p {} -k {folder} -c fsync=off", self.port);
        let log = format!("{folder}/log");
        self.run("pg_ctl", &["-w", "-l", &log, "-o", &options, "start"]);
    }

    pub fn down(&self) {
        self.run("pg_ctl", &["-w", "-m", "immediate", "stop"]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let is_root = std::fs::metadata("/root").is_ok_and(|_| std::fs::read_dir("/root").is_ok());
        let program = self.bin.join(program);
        let mut command = match is_root {
            true => {
                let mut command = Command::new("setpriv");
                command
                    .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
                    .arg(program);
                command
            }
            false => Command::new(program),
        };
        command
            .arg("-D")
            .arg(self.folder.path().join("db"))
            .args(arguments)
            .current_dir("/tmp");
        let output = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(output.is_ok_and(|status| status.success()), "{command:?}");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.down();
    }
}
