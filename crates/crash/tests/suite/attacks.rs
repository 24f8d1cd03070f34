//! Programs that are hard to follow: each is recorded as it was, or not measured.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{Place, python};
use crate::recorder::{assert_recorded, assert_unmeasured};

#[track_caller]
fn assert_python_recorded(text: &str) -> usize {
    let place = Place::new();
    let program = place.python("program.py", text);
    assert_recorded(&place, &[&python(), "-B", &program])
}

#[test]
fn paths_that_begin_at_a_descriptor() {
    assert_python_recorded(
        r#"
import os
os.mkdir("a")
os.mkdir("a/b")
a = os.open("a", os.O_RDONLY)
b = os.open("b", os.O_RDONLY, dir_fd=a)
fd = os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=b)
os.write(fd, b"new")
os.chdir("a/b")
open("over", "w").write("old")
os.rename("file", "over", src_dir_fd=b, dst_dir_fd=b)
os.rename("a", "moved", src_dir_fd=os.open("../..", os.O_RDONLY), dst_dir_fd=os.open("../..", os.O_RDONLY))
os.write(fd, b" and more")
open("../here", "w").write("after the move")
os.symlink("here", "link", dir_fd=a)
os.unlink("link", dir_fd=a)
os.mkdir("deep", dir_fd=b)
os.truncate(b"over", 5)
"#,
    );
}

#[test]
fn writes_of_every_kind() {
    assert_python_recorded(
        r#"
import ctypes, mmap, os
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open("file", os.O_CREAT | os.O_RDWR)
os.write(fd, b"0123456789")
os.pwritev(fd, [b"ab", b"cd"], 3, os.RWF_DSYNC)
os.pwritev(fd, [b"at ", b"the end"], 0, 0x10)          # RWF_APPEND
append = os.open("file", os.O_WRONLY | os.O_APPEND)
try:
    os.pwritev(append, [b"in the middle"], 2, 0x20)    # RWF_NOAPPEND
except OSError:
    pass                                               # before Linux 6.9
os.pwritev(fd, [b"here"], -1)                          # at the position
libc.fallocate(fd, 0x10, ctypes.c_long(4), ctypes.c_long(9))          # zeros
libc.fallocate(fd, 0x11, ctypes.c_long(50), ctypes.c_long(5000))      # zeros, same length
libc.fallocate(fd, 0, ctypes.c_long(0), ctypes.c_long(9000))
os.ftruncate(fd, 8000)
libc.sync_file_range(fd, ctypes.c_long(0), ctypes.c_long(0), 7)
os.sendfile(fd, os.open("/proc/self/maps", os.O_RDONLY), 0, 100) if False else None
try:
    direct = os.open("direct", os.O_CREAT | os.O_RDWR | os.O_DIRECT)
    buffer = mmap.mmap(-1, 8192)
    buffer[:] = b"d" * 8192
    os.write(direct, buffer)
    os.pwrite(direct, memoryview(buffer)[:4096], 16384)
except OSError:
    pass                                               # some file systems have no such writes
"#,
    );
}

/// The kernel writes what is there, up to the page that is not.
#[test]
fn a_buffer_that_is_there_in_part() {
    assert_python_recorded(
        r#"
import ctypes, mmap, os
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
at = libc.mmap(None, 8192, 3, 0x22, -1, 0)
libc.munmap(at + 4096, 4096)
ctypes.memset(at, 0x61, 4096)
fd = os.open("file", os.O_CREAT | os.O_RDWR)
libc.write.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
libc.write(fd, at + 4000, 500)
assert libc.write(fd, 1, 10) == -1
os.write(fd, b"behind")
"#,
    );
}

/// What limits the program limits us who write in its place.
#[test]
fn a_limit_of_the_length_of_files() {
    let text = r#"
import os, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
fd = os.open("file", os.O_CREAT | os.O_RDWR)
os.write(fd, b"x" * 900)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
assert os.write(fd, b"y" * 900) == 100
try:
    os.write(fd, b"z")
    raise SystemExit("it was written")
except OSError:
    pass
"#;
    assert_python_recorded(text);
    let place = Place::new();
    let program = place.python("program.py", text);
    assert!(fs::read_dir(place.path(".")).unwrap().count() == 1);
    let words = ["record", "--dir", "dir", "--trace", "trace", "--", &python(), "-B", &program];
    let said = place.crash(&words).expect(0);
    assert!(!said.stderr.contains("ended with status"), "{}", said.stderr);
}

/// The recorder shares its processor with a program, but that does not show; nor do its locks stay.
#[test]
fn programs_do_not_notice() {
    let place = Place::new();
    let program = place.python(
        "program.py",
        r#"
import fcntl, os, sys
fd = os.open("file", os.O_CREAT | os.O_RDWR)
for number in range(200):
    os.write(fd, b"x")
assert len(os.sched_getaffinity(0)) == int(sys.argv[1]), os.sched_getaffinity(0)
fcntl.flock(fd, fcntl.LOCK_EX)
os.write(fd, b"under a lock")
os.close(fd)
again = os.open("file", os.O_RDWR)
fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
for number in range(200):
    os.write(again, b"y")
if os.fork() == 0:
    assert len(os.sched_getaffinity(0)) == int(sys.argv[1]), os.sched_getaffinity(0)
    os.write(again, b"of the child")
    os._exit(0)
assert os.wait()[1] == 0
"#,
    );
    let processors = std::thread::available_parallelism().unwrap().to_string();
    assert_recorded(&place, &[&python(), "-B", &program, &processors]);
    let words = ["record", "--dir", "dir2", "--trace", "trace2", "--"];
    let said = place.crash(&[&words[..], &[&python(), "-B", &program, &processors]].concat());
    assert!(!said.expect(0).stderr.contains("ended with status"));
}

#[test]
fn threads_with_descriptors_of_their_own_and_one_that_becomes_another_program() {
    assert_python_recorded(
        r#"
import ctypes, os, threading
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open("first", os.O_CREAT | os.O_WRONLY)
def alone():
    libc.unshare(0x400)                              # CLONE_FILES
    os.dup2(os.open("second", os.O_CREAT | os.O_WRONLY), fd)
    for _ in range(50):
        os.write(fd, b"of the thread\n")
thread = threading.Thread(target=alone)
thread.start()
for _ in range(50):
    os.write(fd, b"of the program\n")
thread.join()
def becomes():
    os.execv("/bin/sh", ["sh", "-c", "echo by the shell >third; echo more >>third & wait"])
threading.Thread(target=becomes).start()
threading.Event().wait()
"#,
    );
}

#[test]
fn children_that_borrow_the_memory_of_their_parent() {
    assert_python_recorded(
        r#"
import os, subprocess
for number in range(10):
    subprocess.run(["sh", "-c", f"echo {number} >>log"], check=True)   # vfork
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", f"echo spawned {number} >>log"], os.environ)
    os.waitpid(pid, 0)
"#,
    );
}

/// One waits in a pipe for bytes of another one, who changes files first.
#[test]
fn a_splice_that_waits_for_somebody_who_writes() {
    let place = Place::new();
    let text = r#"
import os, time
read, write = os.pipe()
fd = os.open("spliced", os.O_CREAT | os.O_RDWR)
if os.fork() == 0:
    time.sleep(0.2)
    open("other", "w").write("before")
    os.write(write, b"through a pipe")
    os._exit(0)
os.splice(read, fd, 14)
os.wait()
"#;
    let program = place.python("program.py", text);
    let begun = std::time::Instant::now();
    let words = ["record", "--dir", "dir", "--trace", "trace", "--", &python(), "-B", &program];
    let said = place.crash(&words);
    assert!(begun.elapsed() < Duration::from_secs(20), "nobody went on");
    assert!(said.expect(77).stdout.contains("splice"));
}

#[test]
fn what_goes_on_after_the_program_is_not_measured() {
    let text = r#"
import os, time
open("file", "w").write("x")
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(0.1)
        open("file", "w").write("of the daemon")
        time.sleep(30)
    os._exit(0)
os.wait()
"#;
    assert_unmeasured(text, "after the program had ended");
}

#[test]
fn ranges_that_move_are_not_measured() {
    let text = r#"
import ctypes, os
fd = os.open("file", os.O_CREAT | os.O_RDWR)
os.write(fd, b"x" * 65536)
if ctypes.CDLL(None).fallocate(fd, 8, ctypes.c_long(0), ctypes.c_long(4096)):
    import mmap                       # this file system has no such call: something else then
    mmap.mmap(fd, 65536)[0:1] = b"y"
"#;
    assert_unmeasured(text, "file");
}

/// A recorder that is killed takes the program with it, and leaves nothing that passes for a trace.
#[test]
fn a_recorder_that_is_killed() {
    let place = Place::new();
    let script = place.script("script", "echo x >file");
    place.crash(&["record", "--dir", "dir", "--trace", "trace", "--", &script]).expect(0);
    fs::remove_dir_all(place.path("dir")).unwrap();
    let endless = place.script("endless", "while true; do echo x >>file; done");
    let mut recorder = Command::new(env!("CARGO_BIN_EXE_puro-crash"))
        .args(["record", "--dir", "dir", "--trace", "trace", "--", &endless])
        .current_dir(place.path("."))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let file = place.path("dir/file");
    while fs::metadata(&file).map_or(0, |meta| meta.len()) < 100 {
        std::thread::sleep(Duration::from_millis(5));
    }
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    let length = || fs::metadata(&file).unwrap().len();
    std::thread::sleep(Duration::from_millis(100));
    let before = length();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(length(), before, "the program goes on");
    let said = place.crash(&["states", "trace"]).expect(74);
    assert!(said.stderr.contains("was not finished"), "{}", said.stderr);
}
