//! A database survived every crash, but not a second one: its recovery emptied the file that it
//! was about to write again.

use crate::common::Place;

/// Appends lines, with a sync each; the last may be there in part.
const WORK: &str = "set -e
: >log; sync log; sync .
for line in one two three; do echo $line >>log; sync log; echo $line; done";

/// Every acknowledged line must be there; `repair` removes what is behind the last of them.
fn check(repair: &str) -> String {
    format!(
        r#"
wanted=$(cat "$2")
lines=$(wc -l <"$2")
cd "$1"
[ -e log ] || {{ [ -z "$wanted" ]; exit; }}
if [ "$(head -n "$lines" log)" != "$wanted" ]; then echo "lost: $(cat log)"; exit 1; fi
head -n "$lines" log >new
cmp -s new log || {{ {repair}; }}
rm -f new"#
    )
}

#[test]
fn a_recovery_that_is_not_safe_is_found_by_a_second_crash_only() {
    let place = Place::new();
    let work = place.script("work", WORK);
    let broken = place.script("broken", &check("cat new >log; sync log"));
    place.run(&["--profile", "ext4-ordered", "--check", &broken], &[&work]).expect(0);
    let options = ["--profile", "ext4-ordered", "--twice", "30", "--check", &broken];
    let said = place.run(&options, &[&work]).expect(1);
    assert!(
        said.stdout.contains("when the checker's own recovery is cut after"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("of a second crash, in recovery)"), "{}", said.stdout);
}

#[test]
fn a_recovery_that_replaces_is_sound() {
    let place = Place::new();
    let work = place.script("work", WORK);
    let right = place.script("right", &check("sync new; mv new log; sync ."));
    let options = ["--profile", "ext4-ordered", "--twice", "30", "--check", &right];
    place.run(&options, &[&work]).expect(0);
}
