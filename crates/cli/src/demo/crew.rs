//! The processes of the demo, as the one that started them sees them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use puro::Blame;

use super::report::Report;
use crate::common::{CliError, check_interrupt};

/// A process by its place in the crew.
pub type Id = usize;

/// Something that came from a process: a line, or `None` when there will be no more.
type Heard = (Id, Option<String>);

/// All processes; whichever is still running when the crew is dropped is killed.
pub struct Crew {
    members: Vec<Member>,
    sender: Sender<Heard>,
    receiver: Receiver<Heard>,
    deadline: Instant,
}

struct Member {
    name: String,
    process: Child,
    /// Whether its end is part of the plan.
    killed: bool,
}

impl Crew {
    /// Nobody yet; whoever is waited for beyond `time` has failed.
    pub fn new(time: Duration) -> Self {
        let (sender, receiver) = channel();
        Self { members: Vec::new(), sender, receiver, deadline: Instant::now() + time }
    }

    /// Starts a process.
    pub fn start(
        &mut self,
        name: &str,
        role: &str,
        dir: &Path,
        args: &[String],
    ) -> Result<Id, CliError> {
        let id = self.members.len();
        let mut process = Command::new(std::env::current_exe()?)
            .args(["demo-worker", role])
            .arg(dir)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take();
        self.members.push(Member { name: name.to_owned(), process, killed: false });
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
                // Nobody listens any more once the demo is over.
                let _ = sender.send((id, line.ok()));
            }
            let _ = sender.send((id, None));
        });
        Ok(id)
    }

    /// The process's id in the system.
    pub fn pid(&self, id: Id) -> u32 {
        self.members.get(id).map_or(0, |member| member.process.id())
    }

    /// The name it was given.
    pub fn name(&self, id: Id) -> &str {
        self.members.get(id).map_or("", |member| member.name.as_str())
    }

    /// Lets a producer go on that stopped halfway.
    pub fn go_on(&mut self, id: Id) -> Result<(), CliError> {
        let stdin = self.members.get_mut(id).and_then(|member| member.process.stdin.as_mut());
        if let Some(stdin) = stdin {
            stdin.write_all(b"go on\n")?;
        }
        Ok(())
    }

    /// Kills a process with SIGKILL, and waits until it is gone.
    pub fn kill(&mut self, id: Id) -> Result<(), CliError> {
        if let Some(member) = self.members.get_mut(id) {
            member.killed = true;
            member.process.kill()?;
            member.process.wait()?;
        }
        Ok(())
    }

    /// The next report of any process.
    pub fn next(&mut self) -> Result<(Id, Report), CliError> {
        let failed = |what: String| CliError::new(Blame::Environment, what);
        loop {
            check_interrupt()?;
            if Instant::now() > self.deadline {
                return Err(failed("the demo takes too long: a process hangs".to_owned()));
            }
            match self.receiver.recv_timeout(Duration::from_millis(50)) {
                Ok((id, Some(line))) => return Ok((id, line.parse().map_err(failed)?)),
                Ok((id, None)) => self.see_off(id)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    /// A process has said all it had to say: sees that it ended well, or as planned.
    fn see_off(&mut self, id: Id) -> Result<(), CliError> {
        let Some(member) = self.members.get_mut(id) else { return Ok(()) };
        let status = member.process.wait()?;
        if status.success() || member.killed {
            return Ok(());
        }
        Err(CliError::new(Blame::Environment, format_args!("{} failed: {status}", member.name)))
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for member in &mut self.members {
            // Most have ended long ago.
            let _ = member.process.kill();
            let _ = member.process.wait();
        }
    }
}
