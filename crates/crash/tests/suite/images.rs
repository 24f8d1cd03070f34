//! Each image is as the crash left it, whatever the checker did to the one before. Large files are
//! kept from one image to the next, and that must not show.

use crate::common::{Place, python};

/// A file of a megabyte, and a few changes.
const PROGRAM: &str = r#"
import os
fd = os.open("big", os.O_CREAT | os.O_RDWR)
os.write(fd, b"a" * 1000000)
os.fsync(fd)
os.fsync(os.open(".", os.O_RDONLY))
print("made", flush=True)
for number in range(12):
    os.pwrite(fd, b"b", 70000 * number)
    if number % 3 == 2:
        os.fsync(fd)
"#;

/// Looks at the file, and then does to it what `spoil` says.
fn assert_never_spoilt(spoil: &str) {
    let place = Place::new();
    let program = place.python("program.py", PROGRAM);
    let checker = place.python(
        "check.py",
        &format!(
            r#"
import mmap, os, sys, time
path = sys.argv[1] + "/big"
if not os.path.exists(path) or b"made" not in open(sys.argv[2], "rb").read():
    sys.exit(0)
data = open(path, "rb").read()
if len(data) != 1000000 or data.strip(b"ab"):
    sys.exit("it is not as it was left: " + repr(data.strip(b"ab")[:9]))
{spoil}
"#
        ),
    );
    let check = format!("{} -B {checker}", python());
    let options = ["--check", &check, "--states", "16"];
    let said = place.run(&options, &[&python(), "-B", &program]).expect(0);
    assert!(said.numbers().0 == 16, "{}", said.stdout);
}

#[test]
fn a_checker_may_write_to_its_image() {
    assert_never_spoilt("os.pwrite(os.open(path, os.O_WRONLY), b'Z', 5000)");
}

#[test]
fn a_checker_may_cut_its_image() {
    assert_never_spoilt("os.truncate(path, 300000); os.truncate(path, 1000000)");
}

#[test]
fn a_checker_may_store_into_a_map_of_its_image() {
    assert_never_spoilt("mmap.mmap(os.open(path, os.O_RDWR), 1000000)[5000:5001] = b'Z'");
}

#[test]
fn a_checker_may_replace_a_file_of_its_image() {
    assert_never_spoilt("open(path + '2', 'wb').write(b'Z'); os.rename(path + '2', path)");
}

#[test]
fn a_checker_may_leave_somebody_who_goes_on_storing() {
    assert_never_spoilt(
        "
if os.fork() == 0:
    os.setsid()
    map = mmap.mmap(os.open(path, os.O_RDWR), 1000000)
    for _ in range(100):
        map[5000:5001] = b'Z'
        time.sleep(0.001)
",
    );
}
