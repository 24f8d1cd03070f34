//! Somebody replaced a file by a temporary one and a rename, and did not sync the temporary one.
//! The power went, and the file was empty. (ext4 bug 317781 of Ubuntu, 2009, and many since.)

use crate::common::{Place, python};

/// `data` is what was acknowledged last, or what was about to replace it.
const CHECK: &str = r#"
data=$(cat "$1/data" 2>/dev/null)
case "$(tail -n 1 "$2"):$data" in
    :* | old:old | old:new | new:new) exit 0 ;;
esac
echo "acknowledged $(tail -n 1 "$2"), data is '$data'"
exit 1"#;

const RIGHT: &str = "set -e
echo old >data; sync data; sync .; echo old
echo new >tmp; sync tmp; mv tmp data; sync .; echo new";

const BROKEN: &str = "set -e
echo old >data; sync data; sync .; echo old
echo new >tmp; mv tmp data; sync .; echo new";

const IN_PYTHON: &str = r#"
import os, sys
def put(name, text, safely):
    with open(name, "w") as file:
        file.write(text)
        file.flush()
        if safely:
            os.fsync(file.fileno())
def sync_directory():
    directory = os.open(".", os.O_RDONLY)
    os.fsync(directory)
put("data", "old", True)
sync_directory()
print("old", flush=True)
put("tmp", "new", sys.argv[1] == "right")
os.rename("tmp", "data")
sync_directory()
print("new", flush=True)
"#;

#[test]
fn without_the_fsync_it_is_found_and_told() {
    let place = Place::new();
    let (check, broken) = (place.script("check", CHECK), place.script("broken", BROKEN));
    let said = place.run(&["--check", &check], &[&broken]).expect(1);
    let sentence = "After `rename(tmp, data)` at call 8, without an fsync of tmp before it, \
                    `data` may be empty: ";
    assert!(said.stdout.starts_with(sentence), "{}", said.stdout);
    let (states, failed) = said.numbers();
    assert!(states > failed && failed > 0, "{}", said.stdout);
}

#[test]
fn with_the_fsync_it_is_sound_in_every_profile() {
    let place = Place::new();
    let (check, right) = (place.script("check", CHECK), place.script("right", RIGHT));
    let said = place.run(&["--profile", "all", "--check", &check], &[&right]).expect(0);
    let (states, failed) = said.numbers();
    assert!(states > 20 && failed == 0, "{}", said.stdout);
}

#[test]
fn each_profile_has_its_own_opinion() {
    let place = Place::new();
    let (check, broken) = (place.script("check", CHECK), place.script("broken", BROKEN));
    let verdicts = [("process", 0), ("posix", 1), ("ext4-ordered", 0), ("xfs", 1), ("btrfs", 1)];
    for (profile, code) in verdicts {
        place.run(&["--profile", profile, "--check", &check], &[&broken]).expect(code);
    }
}

#[test]
fn python_is_watched_like_any_other() {
    let place = Place::new();
    let (check, program) = (place.script("check", CHECK), place.python("replace.py", IN_PYTHON));
    let python = python();
    place.run(&["--check", &check], &[&python, "-B", &program, "right"]).expect(0);
    let said = place.run(&["--check", &check], &[&python, "-B", &program, "broken"]).expect(1);
    assert!(said.stdout.contains("without an fsync of tmp"), "{}", said.stdout);
}

#[test]
fn the_directory_matters_too() {
    let place = Place::new();
    let check = place.script("check", CHECK);
    let unsynced = place.script("unsynced", &RIGHT.replace("mv tmp data; sync .", "mv tmp data"));
    let said = place.run(&["--check", &check], &[&unsynced]).expect(1);
    assert!(
        said.stdout.contains("After `print(\"new\")`")
            && said.stdout.contains("without an fsync of the directory before it")
            && said.stdout.contains("`data` may still be the old file"),
        "{}",
        said.stdout
    );
}
