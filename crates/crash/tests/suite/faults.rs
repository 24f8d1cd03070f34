//! A disk was full, and a program went on as if it were not.

use crate::common::{Place, Said, python};

/// Appends numbered lines. How it does that is the question.
fn program(append: &str) -> String {
    format!(
        "
import os, sys
fd = os.open('log', os.O_CREAT | os.O_WRONLY | os.O_APPEND)
directory = os.open('.', os.O_RDONLY)
os.fsync(directory)
def append(line):
{append}
for number in range(2):
    append(b'line %d\\n' % number)
    print('line', number, flush=True)
"
    )
}

/// Every acknowledged line is there, in its order, and no line is there in part before another.
const CHECK: &str = r#"
lines=$(wc -l <"$2")
[ "$lines" = 0 ] || [ "$(head -n "$lines" "$1/log")" = "$(cat "$2")" ] ||
{ echo "acknowledged $lines lines, there are: $(cat "$1/log")"; exit 1; }"#;

fn faults(append: &str, faults: &str) -> Said {
    let place = Place::new();
    let check = place.script("check", CHECK);
    let program = place.python("program.py", &program(append));
    let words = ["faults", "-q", "--dir", "dir", "--fault", faults, "--check", &check, "--"];
    place.crash(&[&words[..], &[&python(), "-B", &program]].concat())
}

const CAREFUL: &str = "
    while line:
        line = line[os.write(fd, line):]
    os.fsync(fd)
";

#[test]
fn who_looks_at_every_answer_is_sound() {
    let said = faults(CAREFUL, "ENOSPC,EIO,EINTR,short,SIGKILL").expect(0);
    let (states, failed) = said.numbers();
    assert!(states > 15 && failed == 0, "{}", said.stdout);
}

#[test]
fn who_ignores_a_full_disk_is_found() {
    let append = "
    try:
        os.write(fd, line)
    except OSError:
        pass
    os.fsync(fd)
";
    let said = faults(append, "ENOSPC").expect(1);
    let told =
        "When ENOSPC is the answer to `write(log)` at call 3, what it leaves fails the check";
    assert!(said.stdout.contains(told), "{}", said.stdout);
}

#[test]
fn who_ignores_a_short_write_is_found() {
    let append = "
    os.write(fd, line)
    os.fsync(fd)
";
    let said = faults(append, "short").expect(1);
    assert!(said.stdout.contains("When only half is written by `write(log)`"), "{}", said.stdout);
}

/// PostgreSQL, 2018: a sync failed, was tried again, and succeeded, for the system had forgotten
/// the pages that it could not write.
#[test]
fn who_tries_a_failed_sync_again_is_found() {
    let append = "
    while line:
        line = line[os.write(fd, line):]
    try:
        os.fsync(fd)
    except OSError:
        os.fsync(fd)
";
    let said = faults(append, "EIO").expect(1);
    assert!(
        said.stdout.contains("When EIO is the answer to `fsync(log)`")
            && said.stdout.contains("and the power is lost"),
        "{}",
        said.stdout
    );
}
