//! The standard streams as other programs leave them: without a reader, non-blocking, closed, or
//! with a limit.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use crate::cli::{LIMIT, Place, Ran};

impl Place {
    /// Runs a line of a shell in which `$P` is the program.
    fn shell(&self, line: &str) -> Ran {
        self.shell_with(line, "")
    }

    fn shell_with(&self, line: &str, stdin: &str) -> Ran {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).env("P", self.program()).current_dir(self.path(""));
        let mut child = shell
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let _ = pipe.write_all(stdin.as_bytes()); // It may end before it has read all.
        drop(pipe);
        Ran::new(child.wait_with_output().unwrap())
    }
}

/// Field report B6. `puro consume s | head -1` printed the line and hung until the next record came,
/// for a reader that is gone is noticed by writing only.
#[test]
fn a_waiting_consumer_ends_when_nobody_reads() {
    for name in [None, Some("n")] {
        let place = Place::new();
        place.puro_with(&["produce", "s", "-t", "t"], "first\n").text();
        let mut args = vec!["consume", "s"];
        args.extend(name.iter().flat_map(|name| ["--name", name]));
        let mut consumer = place.start(&args);
        let mut lines = BufReader::new(consumer.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert_eq!(line, "first\n");
        drop(lines);
        let ended = ends_in_time(consumer);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
}

/// The same while it waits for a stream that is not there yet.
#[test]
fn a_consumer_that_waits_for_its_stream_ends_when_nobody_reads() {
    for args in [&["consume", "s"][..], &["consume", "s", "--name", "n"]] {
        let place = Place::new();
        let mut consumer = place.start(args);
        drop(consumer.stdout.take());
        assert_eq!(ends_in_time(consumer).code, 0);
    }
}

/// What a process left; it is killed when it takes too long.
fn ends_in_time(mut child: std::process::Child) -> Ran {
    let begun = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("it hangs");
        }
        std::thread::yield_now();
    }
    Ran::new(child.wait_with_output().unwrap())
}

/// Field report B7. Another process had made the pipe non-blocking, as node does with the terminal
/// that it shares: consume wrote what fitted into the pipe, and ended with 74.
#[test]
fn a_full_pipe_is_no_error() {
    let place = Place::new();
    let lines: String = (0..200_000).map(|number| format!("line {number}\n")).collect();
    place.puro_with(&["produce", "s", "-t", "t"], &lines).text();
    for args in [&["consume", "s", "-e"][..], &["export", "s"], &["inspect", "s", "--records"]] {
        let (near, mut far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut command = Command::new(place.program());
        command.args(args).current_dir(place.path("")).stdout(Stdio::from(OwnedFd::from(near)));
        let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        drop(command); // It holds the near end.
        let mut output = Vec::new();
        far.read_to_end(&mut output).unwrap();
        let ran = Ran::new(child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
        assert!(output.ends_with(b"\n") && output.len() >= lines.len(), "{args:?}");
        if args[0] == "consume" {
            assert!(output == lines.as_bytes());
        }
    }
}

/// The same for stdin: produce ended with 74 as soon as no line was there yet. And what `--ack` says
/// is there at once: a test that kills the producer next may count on it.
#[test]
fn an_empty_pipe_is_no_error_and_each_block_is_acknowledged() {
    let place = Place::new();
    let (near, mut far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let mut command = Command::new(place.program());
    command.args(["produce", "s", "-t", "t", "--ack"]).current_dir(place.path(""));
    command.stdin(Stdio::from(OwnedFd::from(near))).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut acks = BufReader::new(child.stdout.take().unwrap());
    for round in 0..20 {
        far.write_all(b"one\ntwo\n").unwrap();
        let mut acknowledged = 0;
        while acknowledged < 2 {
            let mut ack = String::new();
            acks.read_line(&mut ack).unwrap();
            let (first, count) = ack.trim_end().split_once(' ').expect("it ended");
            assert_eq!(first.parse::<u64>().unwrap(), round * 2 + acknowledged);
            acknowledged += count.parse::<u64>().unwrap();
        }
    }
    drop(far);
    let ran = Ran::new(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

/// Field report B9. Under `ulimit -f` the signal SIGXFSZ killed in the middle of a write, and nobody
/// knew how many records were appended.
#[test]
fn a_limit_of_file_size_is_an_error_with_a_count() {
    let place = Place::new();
    let lines = format!("{}\n", "x".repeat(1000)).repeat(1000);
    let line = "ulimit -f 200; exec $P produce s -t t --batch 10";
    let ran = place.shell_with(line, &lines);
    let ran = ran.fails(74, "records appended: not appended: cannot write");
    let count: usize = ran.stderr.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(count > 0);
    let kept = place.puro(&["consume", "s", "-e", "-f", "%o\\n"]).text();
    assert_eq!(kept.lines().count(), count);
    place.puro(&["verify", "s"]).text();
}

/// Field report D11. `consume --name n >&-` printed into nothing, and noted all records as read.
#[test]
fn what_went_nowhere_is_not_noted_as_read() {
    let place = Place::new();
    place.puro_with(&["produce", "s", "-t", "t"], "a\nb\n").text();
    place.shell("exec $P consume s --name n -e >&-").fails(74, "stdout is closed");
    assert_eq!(place.puro(&["positions", "s", "list"]).text(), "");
    assert_eq!(place.shell("exec $P consume s --name n -c 1 >/dev/null").code, 0);
    assert_eq!(place.puro(&["consume", "s", "--name", "n", "-e"]).text(), "b\n");
}

/// Field report B22. A backup of many segments failed at the soft limit of open files, which any
/// process may raise.
#[test]
fn a_backup_may_open_more_files_than_the_soft_limit() {
    let place = Place::new();
    place.puro(&["create", "s", "--segment-bytes", "4096"]);
    let lines = format!("{}\n", "x".repeat(3000)).repeat(80);
    place.puro_with(&["produce", "s", "-t", "t", "--batch", "1"], lines).text();
    assert!(place.path("s/0000000060.puro").exists());
    place.shell("ulimit -Sn 40; exec $P backup s out").text();
    place.puro(&["verify", "out"]).text();
}
