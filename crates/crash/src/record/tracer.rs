//! The tracer: stops the program before each watched call and behind it.
//!
//! One watched call is under way at a time. The others wait before theirs, as they could have on
//! a machine with one processor: so the order in which calls are completed is known exactly, and
//! positions and lengths that are read at a stop are those of that call.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Order;
use super::company::Company;
use super::enter::{Decision, Entry};
use super::fault::{Fault, Injection};
use super::intent::Intent;
use super::proc::Thread;
use super::sys::{self, Asked, Resume, Stop, resume, wait};
use super::syscalls::{Foreign, name_of};
use super::watch::Watch;
use crate::error::{At, Result};

/// The status of who was killed, as shells count.
const KILLED: i32 = 128 + libc::SIGKILL;

/// Follows a program and all that come from it, until the last of them ends.
pub struct Tracer<'a> {
    watch: &'a mut Watch,
    main: i32,
    /// Who is in a watched call, and which.
    under_way: Option<(i32, Intent)>,
    /// Who is in one that waits for others, which, and how many calls were written down before it.
    beside: HashMap<i32, (Intent, usize)>,
    /// Who stands before a watched call until that is over.
    waiting: VecDeque<i32>,
    /// Who was seen before. A new thread begins with a stop that means nothing.
    known: HashSet<i32>,
    /// Who is there, but had no stop yet.
    announced: HashSet<i32>,
    company: Company,
    injection: Option<Injection>,
    lists_calls: bool,
    /// How many calls were followed.
    made: usize,
    followed: Vec<(Intent, String)>,
    status: i32,
    /// Who was there when the program ended.
    left: HashSet<i32>,
    has_ended: bool,
}

/// How a recording ended.
pub struct Ended {
    /// The first process's exit status, as shells count.
    pub status: i32,
    /// If they were wanted, all calls that were followed: each could be answered with a fault.
    pub followed: Vec<(Intent, String)>,
}

impl<'a> Tracer<'a> {
    /// Takes over a child that stopped itself. It must have been made by this thread.
    pub fn seize(watch: &'a mut Watch, main: i32, order: &Order<'_>) -> Result<Self> {
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACESECCOMP
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(Pid::from_raw(main), options).at("watch", Path::new("the program"))?;
        resume(main, Resume::Freely, 0).at("start", Path::new("the program"))?;
        let (under_way, waiting) = (None, VecDeque::new());
        let known = HashSet::from([main]);
        let followed = Vec::new();
        Ok(Self {
            watch,
            main,
            under_way,
            beside: HashMap::new(),
            waiting,
            known,
            announced: HashSet::new(),
            company: Company::new(),
            injection: order.injection,
            lists_calls: order.lists_calls,
            made: 0,
            followed,
            status: 0,
            left: HashSet::new(),
            has_ended: false,
        })
    }

    /// Goes on until nobody is left.
    pub fn run(mut self) -> Result<Ended> {
        while let Some((pid, stop)) = wait().at("wait for", Path::new("the program"))? {
            match stop {
                Stop::Ended(status) => self.ended(pid, status)?,
                Stop::Entry => self.entry(pid)?,
                Stop::Exit => self.exit(pid)?,
                Stop::Event(event) => self.event(pid, event)?,
                Stop::Signal(signal) => self.signal(pid, signal)?,
            }
        }
        Ok(Ended { status: self.status, followed: self.followed })
    }

    fn ended(&mut self, pid: i32, status: i32) -> Result<()> {
        self.known.remove(&pid);
        self.announced.remove(&pid);
        self.watch.descriptors.forget(pid);
        self.company.changed(None);
        self.waiting.retain(|waiting| *waiting != pid);
        if self.beside.remove(&pid).is_some() && !self.has_ended && self.injection.is_none() {
            self.watch.unmeasured.insert("a splice in which it was killed".to_owned());
        }
        if pid == self.main {
            self.status = status;
            self.has_ended = true;
            // What it leaves running has nobody who waits for it.
            self.left = self.known.union(&self.announced).copied().collect();
            for left in &self.left {
                let _ = kill(Pid::from_raw(*left), Signal::SIGKILL);
            }
        } else if self.left.contains(&pid) && status == KILLED && self.injection.is_none() {
            let what = "what a process did after the program had ended, which left it running";
            self.watch.unmeasured.insert(format!("{what} (let the program wait for it)"));
        }
        // It was killed within its call. Whether that was done before, nobody knows.
        if let Some((_, intent)) = self.under_way.take_if(|(who, _)| *who == pid) {
            let by_us = self.has_ended || self.injection.is_some();
            if !by_us && !matches!(intent, Intent::Sync { .. } | Intent::SyncAll) {
                self.watch.unmeasured.insert(format!("a call in which it was killed: {intent:?}"));
            }
            self.next()?;
        }
        Ok(())
    }

    fn event(&mut self, pid: i32, event: i32) -> Result<()> {
        const CHILDREN: [i32; 3] =
            [libc::PTRACE_EVENT_FORK, libc::PTRACE_EVENT_VFORK, libc::PTRACE_EVENT_CLONE];
        if CHILDREN.contains(&event) {
            let new = ptrace::getevent(Pid::from_raw(pid)).ok().map(|new| new as i32);
            self.company.changed(new);
            self.announced.extend(new.filter(|new| !self.known.contains(new)));
        }
        // Who executes a program takes over the number of the first thread; the others are gone.
        if event == libc::PTRACE_EVENT_EXEC
            && let Ok(former) = ptrace::getevent(Pid::from_raw(pid))
            && former != i64::from(pid)
        {
            self.known.remove(&(former as i32));
            self.watch.descriptors.forget(former as i32);
            self.watch.descriptors.forget(pid);
        }
        self.go_on(pid, 0)
    }

    fn signal(&mut self, pid: i32, signal: i32) -> Result<()> {
        let is_first_stop = signal == libc::SIGSTOP && self.is_new(pid);
        // A stop of the whole process has no signal to deliver; there is no terminal to wait for.
        let is_group_stop =
            matches!(signal, libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU)
                && ptrace::getsiginfo(Pid::from_raw(pid)).is_err();
        self.go_on(pid, if is_first_stop || is_group_stop { 0 } else { signal })
    }

    fn go_on(&mut self, pid: i32, signal: i32) -> Result<()> {
        self.is_new(pid);
        // A signal between entry and exit of a call must not lose the exit.
        let in_call = self.under_way.as_ref().is_some_and(|(who, _)| *who == pid)
            || self.beside.contains_key(&pid);
        let how = if in_call { Resume::ToExit } else { Resume::Freely };
        resume(pid, how, signal).at("resume", Path::new("the program"))
    }

    /// Whether this is its first stop; it is not so a second time.
    fn is_new(&mut self, pid: i32) -> bool {
        self.announced.remove(&pid);
        self.known.insert(pid)
    }

    fn entry(&mut self, pid: i32) -> Result<()> {
        self.is_new(pid);
        let Some(Asked { number, args, mark }) = sys::asked(pid) else { return Ok(()) };
        if mark == Foreign::MARK {
            self.watch.unmeasured.insert("calls of a 32-bit program".to_owned());
            return self.go_on(pid, 0);
        }
        let entry = Entry { thread: Thread(pid), number, args };
        if matches!(entry.number, libc::SYS_sched_getaffinity | libc::SYS_sched_setaffinity) {
            self.company.never_again();
            return self.go_on(pid, 0);
        }
        self.company.stopped(pid, self.known.len() == 1 && self.announced.is_empty());
        self.watch.deputy.has_turn = self.under_way.is_none() && self.injection.is_none();
        match self.watch.enter(&entry) {
            Decision::Pass => self.go_on(pid, 0),
            Decision::Hidden(what) => {
                self.watch.unmeasured.insert(what);
                self.go_on(pid, 0)
            }
            Decision::Done(intent, done) => {
                self.watch.leave_done(entry.thread, &intent, &done)?;
                self.list(&intent);
                // If it cannot be answered, it was killed in this moment, and asks nothing any more.
                if sys::answer(pid, done.bytes.len() as i64) { self.go_on(pid, 0) } else { Ok(()) }
            }
            // What is asked about files now must still be so when its turn has come.
            Decision::Follow(_) if self.under_way.is_some() => {
                self.waiting.push_back(pid);
                Ok(())
            }
            Decision::Follow(intent) => {
                self.make(&entry, &intent)?;
                self.under_way = Some((pid, intent));
                self.go_on(pid, 0)
            }
            Decision::Beside(intent) => {
                self.make(&entry, &intent)?;
                self.beside.insert(pid, (intent, self.watch.calls));
                self.go_on(pid, 0)
            }
        }
    }

    /// A call is about to be made, perhaps with a fault.
    fn make(&mut self, entry: &Entry, intent: &Intent) -> Result<()> {
        let now = self.injection.filter(|injection| injection.call == self.made);
        self.list(intent);
        now.map_or(Ok(()), |Injection { fault, .. }| self.inject(entry, fault, intent))
    }

    fn list(&mut self, intent: &Intent) {
        self.made += 1;
        if self.lists_calls {
            self.followed.push((intent.clone(), self.watch.shown(intent)));
        }
    }

    /// Answers in the kernel's place.
    fn inject(&mut self, entry: &Entry, fault: Fault, intent: &Intent) -> Result<()> {
        let pid = entry.thread.0;
        let is_done = if let Some(errno) = fault.errno() {
            // The exit is seen as always.
            sys::answer(pid, -i64::from(errno))
        } else if fault == Fault::Kill {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            true
        } else {
            let asked = entry.args[2];
            let of_buffer = matches!(name_of(entry.number), "write" | "pwrite");
            sys::shorten(pid, if of_buffer { (asked / 2).max(1) } else { asked })
        };
        if !is_done {
            let what = format!("a fault ({fault}) that could not be injected into {intent:?}");
            self.watch.unmeasured.insert(what);
        }
        Ok(())
    }

    fn exit(&mut self, pid: i32) -> Result<()> {
        if let Some((intent, calls)) = self.beside.remove(&pid) {
            let returned = sys::returned(pid).unwrap_or_default();
            if returned > 0 && (calls != self.watch.calls || self.under_way.is_some()) {
                let what = "a splice that waited while others changed files: in which order?";
                self.watch.unmeasured.insert(what.to_owned());
            }
            self.watch.leave(Thread(pid), intent, returned)?;
            return self.go_on(pid, 0);
        }
        let Some((_, intent)) = self.under_way.take_if(|(who, _)| *who == pid) else {
            return self.go_on(pid, 0);
        };
        if let Some(returned) = sys::returned(pid) {
            self.watch.leave(Thread(pid), intent, returned)?;
        }
        self.go_on(pid, 0)?;
        self.next()
    }

    /// Lets those go on who wait before a call, until one of them is in it.
    fn next(&mut self) -> Result<()> {
        while self.under_way.is_none() {
            let Some(pid) = self.waiting.pop_front() else { return Ok(()) };
            self.entry(pid)?;
        }
        Ok(())
    }
}
