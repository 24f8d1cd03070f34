//! What the recorder writes down is what happened: the end of each trace, made again, is the
//! directory as the program left it.

use std::fs;

use crate::common::{Place, Said, difference, python};

/// Records a command, makes the last state of it, and compares.
#[track_caller]
pub fn assert_recorded(place: &Place, command: &[&str]) -> usize {
    let words = ["record", "-q", "--dir", "dir", "--trace", "trace", "--"];
    place.crash(&[&words, command].concat()).expect(0);
    let calls = fs::read_to_string(place.path("trace/calls.jsonl")).unwrap().lines().count();
    let last = format!("posix:{calls}");
    place.crash(&["explain", "trace", &last, "--image", "image"]).expect(0);
    let differs = difference(&place.path("dir"), &place.path("image"));
    assert!(differs.is_empty(), "{differs}");
    calls
}

const BY_SHELLS: &str = r#"
        mkdir -p a/b; echo one >a/b/file; echo two >>a/b/file; cat a/b/file >a/copy
        ln a/copy hard; ln -s a/copy soft; mv a/b c; rm hard; (echo in a subshell >>c/file) &
        wait; head -c 100000 /dev/zero >big; truncate -s 70000 big; truncate -s 80000 big
        dd if=/dev/urandom of=big bs=1000 seek=3 count=5 conv=notrunc 2>/dev/null
        mkdir gone; rmdir gone; seq 1000 | sort -r | tee sorted >/dev/null"#;

#[test]
fn shells_and_their_children() {
    let place = Place::new();
    let script = place.script("script", BY_SHELLS);
    assert_recorded(&place, &[&script]);
}

/// Needs strace, as the recorder that it stands in for.
#[test]
fn strace_sees_the_same() {
    let place = Place::new();
    let script = place.script("script", &format!("{BY_SHELLS}; sync big; sync .; echo synced"));
    let words = ["record", "-q", "--recorder", "strace", "--dir", "dir", "--trace", "trace", "--"];
    place.crash(&[&words[..], &[&script]].concat()).expect(0);
    let calls = fs::read_to_string(place.path("trace/calls.jsonl")).unwrap();
    for told in
        ["fsync(big)", "fsync(.)", "print(\\\"synced\\\")", "rename(a/b, c)", "unlink(hard)"]
    {
        assert!(calls.contains(told), "{told} is not in {calls}");
    }
}

#[test]
fn descriptors_that_are_shared_renamed_and_unlinked() {
    let place = Place::new();
    let program = place.python(
        "program.py",
        r#"
import os
fd = os.open("first", os.O_CREAT | os.O_RDWR)
os.write(fd, b"0123456789")
twin = os.dup(fd)
os.write(twin, b"after dup")            # the position is shared
if os.fork() == 0:
    os.write(fd, b"of the child")       # with children, too
    os._exit(0)
os.wait()
os.write(fd, b"of the parent")
os.rename("first", "second")
os.write(fd, b"after rename")
os.lseek(fd, 3, os.SEEK_SET)
os.write(fd, b"xyz")
os.pwrite(fd, b"far", 5000)
os.writev(fd, [b"one", b"", b"two"])
os.pwritev(fd, [b"three", b"four"], 20)
append = os.open("second", os.O_WRONLY | os.O_APPEND)
os.write(append, b"at the end")
os.pwrite(append, b"at the end whatever is said", 0)
os.unlink("second")
os.write(fd, b"nobody sees this")
again = os.open("second", os.O_CREAT | os.O_WRONLY)   # perhaps with the same number
os.write(again, b"another file")
os.closerange(again, again + 1)
nameless = os.open(".", os.O_TMPFILE | os.O_RDWR)
os.write(nameless, b"it gets a name")
os.link(f"/proc/self/fd/{nameless}", "named", follow_symlinks=True)
"#,
    );
    assert_recorded(&place, &[&python(), "-B", &program]);
}

#[test]
fn bytes_that_no_program_held() {
    let place = Place::new();
    let program = place.python(
        "program.py",
        r#"
import os
source = os.open("source", os.O_CREAT | os.O_RDWR)
os.write(source, os.urandom(10000))
target = os.open("target", os.O_CREAT | os.O_RDWR)
os.copy_file_range(source, target, 4000, 100, 50)
os.sendfile(target, source, 0, 3000)
read, write = os.pipe()
os.write(write, b"through a pipe")
os.splice(read, target, 14, offset_dst=9000)
os.posix_fallocate(target, 0, 20000)
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate(target, 3, ctypes.c_long(4000), ctypes.c_long(5000))   # a hole
"#,
    );
    assert_recorded(&place, &[&python(), "-B", &program]);
}

#[test]
fn threads_and_processes_that_append_to_one_file() {
    let place = Place::new();
    let program = place.python(
        "program.py",
        r#"
import os, threading
def append(name):
    fd = os.open("log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for number in range(30):
        os.write(fd, f"{name} {number}\n".encode())
for _ in range(3):
    if os.fork() == 0:
        threads = [threading.Thread(target=append, args=(f"{os.getpid()}-{n}",)) for n in range(3)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        os._exit(0)
for _ in range(3):
    os.wait()
"#,
    );
    let calls = assert_recorded(&place, &[&python(), "-B", &program]);
    let lines = fs::read_to_string(place.path("dir/log")).unwrap().lines().count();
    assert_eq!(lines, 270);
    assert!(calls >= 271, "{calls} calls");
}

#[test]
fn real_time_signals_and_stops_lose_nobody() {
    let place = Place::new();
    let program = place.python(
        "program.py",
        r#"
import os, signal, subprocess
got = []
signal.signal(signal.SIGRTMIN + 3, lambda number, _: got.append(number))
for number in range(20):
    os.kill(os.getpid(), signal.SIGRTMIN + 3)
    with open(f"file{number}", "w") as file:
        file.write("x" * number)
assert len(got) == 20
assert subprocess.run(["sh", "-c", "kill -9 $$"]).returncode == -9
"#,
    );
    assert_recorded(&place, &[&python(), "-B", &program]);
}

#[test]
fn the_exit_status_and_a_missing_program_are_told() {
    let place = Place::new();
    let words = ["run", "-q", "--dir", "dir", "--check", "true", "--"];
    let said = place.crash(&[&words[..], &["sh", "-c", "echo x >f; exit 3"]].concat()).expect(0);
    assert!(said.stderr.contains("ended with status 3"), "{}", said.stderr);
    fs::remove_dir_all(place.path("dir")).unwrap();
    let said = place.crash(&[&words[..], &["no-such-program"]].concat()).expect(77);
    assert!(said.stderr.contains("cannot run no-such-program"), "{}", said.stderr);
}

/// Each of these does something that cannot be seen: exit 77, never 0.
#[track_caller]
pub fn assert_unmeasured(text: &str, told: &str) -> Said {
    let place = Place::new();
    let program = place.python("program.py", text);
    let said = place.run(&["--check", "true"], &[&python(), "-B", &program]).expect(77);
    assert!(
        said.stdout.contains("not measured: ") && said.stdout.contains(told),
        "{}",
        said.stdout
    );
    assert_eq!(said.numbers(), (0, 0));
    said
}

#[test]
fn a_store_into_a_shared_map_is_not_measured() {
    let text = "
import mmap, os
fd = os.open('file', os.O_CREAT | os.O_RDWR)
os.ftruncate(fd, 4096)
mmap.mmap(fd, 4096)[0:5] = b'hello'
";
    assert_unmeasured(text, "stores into a shared map of file");
    let place = Place::new();
    let program = place.python("program.py", text);
    let options = ["--check", "true", "--ignore", "fil*"];
    place.run(&options, &[&python(), "-B", &program]).expect(0);
}

#[test]
fn io_uring_is_not_measured() {
    let text = "
import ctypes
ctypes.CDLL(None).syscall(425, 8, ctypes.create_string_buffer(120))
";
    assert_unmeasured(text, "io_uring");
}

#[test]
fn a_file_elsewhere_is_not_measured_unless_it_does_not_matter() {
    let place = Place::new();
    let elsewhere = place.path("elsewhere");
    let script = place.script("script", "echo x >here; echo x >../elsewhere");
    let said = place.run(&["--check", "true"], &[&script]).expect(77);
    assert!(said.stdout.contains("elsewhere, outside the watched directory"), "{}", said.stdout);
    let ignore = ["--check", "true", "--ignore", elsewhere.to_str().unwrap()];
    place.run(&ignore, &[&script]).expect(0);
}

#[test]
fn where_nobody_may_watch_it_is_not_measured() {
    let place = Place::new();
    // Who is watched already cannot be watched by somebody else.
    let own = env!("CARGO_BIN_EXE_puro-crash");
    let inner = format!(
        "mkdir inner; {own} run -q --dir inner/dir --out inner/out --check true -- true; echo \"exit $?\""
    );
    let script = place.script("script", &inner);
    let said = place.crash(&["record", "--dir", "dir", "--trace", "trace", "--", &script]);
    assert!(said.stderr.contains("lets nobody watch programs"), "{}", said.stderr);
    assert!(said.stderr.contains("exit 77"), "{}", said.stderr);
}

/// To strace a file that is named so is nowhere: it must not be passed over.
#[test]
fn strace_does_not_pass_over_names_below_descriptors() {
    let place = Place::new();
    let program = place.python(
        "program.py",
        r#"
import os
open("file", "w").write("x" * 100)
os.truncate("/proc/self/fd/%d" % os.open("file", os.O_RDONLY), 10)
"#,
    );
    let words = ["record", "--recorder", "strace", "--dir", "dir", "--trace", "trace", "--"];
    let said = place.crash(&[&words[..], &[&python(), "-B", &program]].concat()).expect(77);
    assert!(said.stdout.contains("truncate, as strace tells it"), "{}", said.stdout);
}

/// `/proc/self` is the program, not the recorder: ports that cannot say `openat` name files so.
#[test]
fn names_below_ones_own_descriptors() {
    let place = Place::new();
    let program = place.python(
        "program.py",
        r#"
import os
for own in ("/proc/self/fd", "/proc/thread-self/fd", "/dev/fd"):
    there = "%s/%d/" % (own, os.open(".", os.O_RDONLY))
    open(there + "new", "w").write(own)
    os.rename(there + "new", there + own.replace("/", "-"))
"#,
    );
    assert_recorded(&place, &[&python(), "-B", &program]);
}
