//! Each image is as the crash left it, whatever the checker did to the one before. Large files are
//! kept from one image to the next, and that must not show.

use std::process::Command;

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
map = mmap.mmap(os.open(path, os.O_RDWR), 1000000) # before the next image has that path
if os.fork() == 0:
    os.setsid()
    for _ in range(100):
        map[5000:5001] = b'Z'
        time.sleep(0.001)
",
    );
}

/// Many small files in two directories, one with a second name, one that nobody may write.
const MANY: &str = r#"
import os
os.mkdir("sub")
for number in range(30):
    path = ("sub/" if number % 2 else "") + "f%02d" % number
    with open(path, "wb") as file:
        file.write(b"%02d" % number * 50)
os.chmod("f10", 0o400)
os.link("f12", "f12.link")
os.symlink("f14", "f14.symlink")
"#;

/// One more that is changed again and again.
const CHANGES: &str = r#"
import os
fd = os.open("changes", os.O_CREAT | os.O_RDWR)
for number in range(40):
    os.pwrite(fd, b"%02d" % number, 2 * number)
"#;

/// Looks whether the image is as it should be, and then spoils it, each time in another way.
const VANDAL: &str = r#"
import ctypes, mmap, os, shutil, sys, time
image, place = sys.argv[1], sys.argv[3]
os.chdir(image)

def store(path, at=3):
    fd = os.open(path, os.O_RDWR)
    map = mmap.mmap(fd, 100)
    os.close(fd)
    map[0:1]                  # the page is there before it is stored to: no fault tells of that
    map[at:at + 1] = b"Z"
    return map

def write(path, data=b"Z", at=5):
    fd = os.open(path, os.O_WRONLY)
    os.pwrite(fd, data, at)
    os.close(fd)

def back_in_time(path):
    times = os.stat(path)
    write(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

def in_background(what):
    ready, told = os.pipe()
    if os.fork() == 0:
        os.setsid()
        what(lambda: os.write(told, b"x"))
        os._exit(0)
    os.read(ready, 1)

def goes_on(ready):
    map = store("f04")
    ready()
    for _ in range(60):
        map[7:8] = b"Z"
        time.sleep(0.002)

def stands_here(ready):
    ready()
    for _ in range(60):
        for name in ["f06", "new"]:
            try:
                open(name, "r+b").write(b"Z")
            except OSError:
                pass
        time.sleep(0.002)

def linked_outside():
    other = image + "-link"
    if os.path.exists(other):
        os.unlink(other)
    os.link("f08", other)
    write(other)

def through_a_link_of_before():
    # The file has left the image by now.
    other = image + "-link"
    if os.path.exists(other):
        write(other, b"Y")

def swap(one, two):
    os.rename(one, "x")
    os.rename(two, one)
    os.rename("x", two)

def swap_directories():
    shutil.copytree("sub", "copy", symlinks=True)
    write("copy/f03")
    os.rename("sub", "was")
    os.rename("copy", "sub")

def many_opens():
    # More reports than the kernel keeps, and only then the one that matters.
    for _ in range(8500):
        for name in ["f16", "f18"]:
            os.close(os.open(name, os.O_RDONLY))
    write("f20")

ways = [
    lambda: None,
    lambda: write("f00"),
    lambda: store("f02"),
    lambda: in_background(goes_on),
    lambda: in_background(stands_here),
    lambda: os.truncate("f02", 10),
    lambda: (os.truncate("f02", 10), os.truncate("f02", 100)),
    lambda: back_in_time("f06"),
    lambda: os.chmod("f08", 0o600),
    lambda: (os.chmod("f10", 0o600), write("f10"), os.chmod("f10", 0o400)),
    linked_outside,
    through_a_link_of_before,
    lambda: write("f12.link"),
    lambda: (os.unlink("f12.link"), shutil.copy("f12", "f12.link")),
    lambda: (os.unlink("f14"), open("f14", "wb").write(b"14" * 49 + b"ZZ")),
    lambda: (os.unlink("f14.symlink"), os.symlink("f16", "f14.symlink")),
    lambda: os.unlink("f22"),
    lambda: (os.unlink("f22"), os.mkdir("f22")),
    lambda: (os.unlink("f24"), os.mkfifo("f24")),
    lambda: os.rename("f24", "f25"),
    lambda: swap("f24", "f26"),
    lambda: swap("sub/f01", "f28"),
    lambda: (os.rename("sub", "gone"), os.symlink("gone", "sub"), write("sub/f05")),
    swap_directories,
    lambda: (shutil.rmtree("sub"), open("sub", "wb").write(b"Z")),
    lambda: os.setxattr("f00", "user.z", b"Z"),
    lambda: (os.mkdir("more"), open("more/f", "wb").write(b"Z")),
    lambda: ctypes.CDLL(None).fallocate64(os.open("f16", os.O_RDWR), 3, ctypes.c_int64(0), ctypes.c_int64(50)),
    lambda: shutil.copyfileobj(open("f18", "rb"), open("f20", "wb")),
    many_opens,
    lambda: os.rename(image, image + "-%d" % os.getpid()),
    lambda: [os.unlink(each.path) for each in os.scandir(".") if not each.is_dir(follow_symlinks=False)],
]
count = os.path.getsize(place) if os.path.exists(place) else 0

def check(is_true, what):
    if not is_true:
        sys.exit("%s; before this was way %d" % (what, (count - 1) % len(ways)))

wanted = {("sub/" if number % 2 else "") + "f%02d" % number for number in range(30)}
found = {os.path.relpath(os.path.join(dir, name), ".") for dir, _, names in os.walk(".") for name in names}
check(found - {"changes"} == wanted | {"f12.link", "f14.symlink"}, sorted(found ^ wanted))
check({name for dir, names, _ in os.walk(".") for name in names} == {"sub"}, os.listdir("."))
for name in wanted:
    meta = os.lstat(name)
    number = int(name[-2:])
    check(meta.st_mode == (0o100400 if number == 10 else 0o100644), "mode of " + name)
    check(meta.st_nlink == (2 if number == 12 else 1), "links of " + name)
    check(open(name, "rb").read() == b"%02d" % number * 50, "bytes of " + name)
    try:
        check(os.listxattr(name) == [], "attributes of " + name)
    except OSError:
        pass
check(os.path.samefile("f12", "f12.link"), "f12.link")
check(os.readlink("f14.symlink") == "f14", "f14.symlink")
open(place, "ab").write(b".")
try:
    ways[count % len(ways)]()
except Exception as error:
    # (Memory does not have attributes of users everywhere.)
    check(getattr(error, "errno", 0) == 95, "%r in way %d" % (error, count % len(ways)))
"#;

/// A checker does to its image whatever can be done, one thing after another, and the next image is
/// as it should be each time: twice, so that what a way leaves behind meets the others, too.
#[test]
fn no_image_has_what_a_checker_did_to_the_one_before() {
    for profile in ["process", "posix"] {
        let place = Place::new();
        let many = place.python("many.py", MANY);
        std::fs::create_dir(place.path("dir")).unwrap();
        let made = Command::new(python()).arg(many).current_dir(place.path("dir")).status();
        assert!(made.unwrap().success());
        let program = place.python("program.py", CHANGES);
        let checker = place.python("check.py", VANDAL);
        let script = format!("exec {} -B {checker} \"$1\" \"$2\" \"$0-count\"", python());
        let check = place.script("check", &script);
        let run = ["run", "-q", "--base", "--dir", "dir", "--check", &check, "--jobs", "1"];
        let limits = ["--states", "75", "--profile", profile];
        let program = ["--", &python(), "-B", &program];
        let said = place.crash(&[&run[..], &limits, &program].concat()).expect(0);
        let count = std::fs::metadata(place.path("check-count")).unwrap().len();
        assert!(count >= 64, "{count} images of {}", said.stdout);
    }
}
