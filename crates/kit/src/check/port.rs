//! A driver of a port, as a process that answers lines (`spec/kit.md`).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// A driver that runs.
pub struct Port {
    command: Vec<String>,
    timeout: Duration,
    running: Option<Running>,
    stderr: File,
    /// What it calls itself.
    pub name: String,
    /// The requests that it answers.
    pub requests: BTreeSet<String>,
}

struct Running {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

/// An answer less its fields that are `null`: that says none, as if they were absent.
fn without_nulls(mut answer: Value) -> Value {
    if let Some(fields) = answer.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    answer
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Port {
    /// Starts a driver, and asks what it can.
    ///
    /// # Errors
    /// Where it cannot be started, or does not say.
    pub fn start(command: &[String], timeout: Duration) -> Result<Self, String> {
        let stderr = tempfile::tempfile().map_err(|error| error.to_string())?;
        let mut port = Self {
            command: command.to_vec(),
            timeout,
            running: None,
            stderr,
            name: String::new(),
            requests: BTreeSet::new(),
        };
        let hello = port.ask(&json!({"do": "hello"}))?;
        hello["name"].as_str().unwrap_or("a port").clone_into(&mut port.name);
        let requests = hello["requests"].as_array().into_iter().flatten();
        port.requests = requests.filter_map(Value::as_str).map(str::to_owned).collect();
        if port.requests.is_empty() {
            return Err(format!("`hello` names no requests: {hello}"));
        }
        Ok(port)
    }

    /// The process that answers.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.child.id())
    }

    /// Ends it; the next question starts it anew.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// Where no answer comes in time, or none that is one. The driver was ended then.
    pub fn ask(&mut self, request: &Value) -> Result<Value, String> {
        let timeout = self.timeout;
        self.ask_within(request, timeout)
    }

    /// The same, with another limit of time.
    ///
    /// # Errors
    /// As [`Port::ask`].
    pub fn ask_within(&mut self, request: &Value, timeout: Duration) -> Result<Value, String> {
        let asked = self.try_ask(request, timeout);
        asked.map_err(|trouble| {
            self.running = None;
            format!("{trouble}{}", self.last_words())
        })
    }

    fn try_ask(&mut self, request: &Value, timeout: Duration) -> Result<Value, String> {
        if self.running.is_none() {
            self.running = Some(self.spawn()?);
        }
        let Some(running) = &mut self.running else { return Err("it does not run".to_owned()) };
        let sent = writeln!(running.input, "{request}").and_then(|()| running.input.flush());
        sent.map_err(|error| format!("it takes no request: {error}"))?;
        match running.answers.recv_timeout(timeout) {
            Ok(line) => {
                let answer = serde_json::from_str(&line);
                let answer = answer.map_err(|error| format!("no JSON ({error}): {line}"))?;
                Ok(without_nulls(answer))
            }
            Err(RecvTimeoutError::Timeout) => Err(format!("no answer for {timeout:?}")),
            Err(RecvTimeoutError::Disconnected) => Err("it ended without an answer".to_owned()),
        }
    }

    fn spawn(&self) -> Result<Running, String> {
        let (program, arguments) = self.command.split_first().ok_or("no command")?;
        let stderr = self.stderr.try_clone().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let input = child.stdin.take().ok_or("no stdin")?;
        let output = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let (send, answers) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Running { child, input, answers })
    }

    /// What it wrote to stderr at last.
    fn last_words(&mut self) -> String {
        let mut text = String::new();
        let length = self.stderr.seek(SeekFrom::End(0)).unwrap_or_default();
        let _ = self.stderr.seek(SeekFrom::Start(length.saturating_sub(600)));
        let _ = (&self.stderr).take(600).read_to_string(&mut text);
        let _ = self.stderr.set_len(0).and_then(|()| self.stderr.rewind());
        if text.trim().is_empty() { String::new() } else { format!("; it said: {}", text.trim()) }
    }
}
