//! A real server of NATS, and a client of another make.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use crate::common::{self, free_port, kill, mirror, until};

/// What `crates/mirror/nats/run` has installed.
fn installed(name: &str) -> String {
    common::installed(name, "crates/mirror/nats/run")
}

/// A server with JetStream, in a directory of its own.
pub struct Server {
    scratch: tempfile::TempDir,
    port: u16,
    running: Mutex<Option<Child>>,
}

impl Server {
    pub fn start_new() -> Self {
        Self::start_with("")
    }

    /// With more in its configuration.
    pub fn start_with(more: &str) -> Self {
        let (scratch, port) = (tempfile::tempdir().unwrap(), free_port());
        let this = Self { scratch, port, running: Mutex::new(None) };
        this.configure("", more);
        this.start();
        this
    }

    /// What it is told from its next start on, of JetStream and else.
    pub fn configure(&self, of_jetstream: &str, more: &str) {
        let (dir, port) = (self.scratch.path(), self.port);
        let store = dir.join("store");
        let config = format!(
            "listen: 127.0.0.1:{port}\njetstream {{ store_dir: {:?}, {of_jetstream} }}\n{more}\n",
            store.display().to_string()
        );
        std::fs::write(dir.join("config"), config).unwrap();
    }

    /// Starts it, and waits until it listens.
    pub fn start(&self) {
        let dir = self.scratch.path();
        let log = std::fs::File::options().append(true).create(true).open(dir.join("log")).unwrap();
        let mut server = Command::new(installed("PURO_NATS_SERVER"));
        server.arg("-c").arg(dir.join("config")).stdin(Stdio::null()).stdout(Stdio::null());
        *self.running.lock().unwrap() = Some(server.stderr(log).spawn().unwrap());
        until("the server listens", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    pub fn kill(&self) {
        if let Some(mut running) = self.running.lock().unwrap().take() {
            kill(&mut running);
        }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Out of a stream, into this server, below a prefix.
    pub fn out(&self, from: &Path, prefix: &str, more: &[&str]) -> Command {
        let mut command = mirror();
        command.arg(from).arg("--to").arg(format!("nats://{}/{prefix}", self.address())).args(more);
        command
    }

    /// Asks nats-py; see `nats/foreign.py`.
    pub fn foreign(&self, arguments: &[&str]) -> Vec<String> {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/nats/foreign.py");
        let address = self.address();
        let all: Vec<_> = std::iter::once(&*address).chain(arguments.iter().copied()).collect();
        common::ask_python(&installed("PURO_NATS_PYTHON"), program, &all)
    }

    /// All records below a prefix.
    pub fn read(&self, prefix: &str) -> Vec<String> {
        self.foreign(&["read", prefix, ".*"])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.scratch.path().join("log")).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("the server's log:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"));
        }
        self.kill();
    }
}

/// Sees what is sent to the server, before it is committed.
pub struct Watcher<'a> {
    server: &'a Server,
    prefix: &'a str,
    connection: Option<TcpStream>,
}

impl<'a> Watcher<'a> {
    pub fn new(server: &'a Server, prefix: &'a str) -> Self {
        Self { server, prefix, connection: None }
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let mut connection = TcpStream::connect(self.server.address())?;
        let hello = format!("CONNECT {{\"verbose\":false}}\r\nSUB {}.> 1\r\n", self.prefix);
        connection.write_all(hello.as_bytes())?;
        Ok(connection)
    }

    /// Whether something was sent that it has not told of yet.
    pub fn sees(&mut self, wait: Duration) -> bool {
        match self.look(wait) {
            Ok(seen) => seen,
            Err(error) => {
                let waits = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
                if !waits.contains(&error.kind()) {
                    self.connection = None;
                }
                false
            }
        }
    }

    fn look(&mut self, wait: Duration) -> std::io::Result<bool> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        connection.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        let (mut bytes, mut seen) = (vec![0; 1 << 16], false);
        let read = loop {
            match connection.read(&mut bytes) {
                Ok(0) => return Ok(seen),
                Ok(length) if bytes[..length].starts_with(b"PING") => {
                    connection.write_all(b"PONG\r\n")?;
                }
                Ok(length) => {
                    seen |= !bytes[..length].starts_with(b"INFO");
                    connection.set_read_timeout(Some(Duration::from_millis(1)))?;
                    if length < bytes.len() {
                        break Ok(seen);
                    }
                }
                Err(error) => break if seen { Ok(true) } else { Err(error) },
            }
        };
        self.connection = Some(connection);
        read
    }
}
