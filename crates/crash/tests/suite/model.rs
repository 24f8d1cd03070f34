//! Each rule of the profiles, on traces of a few calls: what can be lost, and what cannot.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use puro_crash::model::explore::explore;
use puro_crash::model::plan::Plan;
use puro_crash::model::profile::Profile;
use puro_crash::model::state::State;
use puro_crash::trace::{Blob, Call, Effect, Header, Kind, Node, Place, ROOT, Trace};

/// A trace that is told call by call.
#[derive(Default)]
struct Story {
    calls: Vec<Call>,
    blobs: Vec<u8>,
}

fn place(name: &str) -> Place {
    place_in(ROOT, name)
}

fn place_in(dir: Node, name: &str) -> Place {
    Place { dir, name: name.to_owned() }
}

impl Story {
    fn call(mut self, effect: Effect) -> Self {
        self.calls.push(Call { pid: 1, shown: format!("{effect:?}"), effects: vec![effect] });
        self
    }

    fn make(self, node: Node, kind: Kind, place: Place) -> Self {
        self.call(Effect::Make { node, kind, mode: 0o755, place: Some(place) })
    }

    fn file(self, node: Node, name: &str) -> Self {
        self.make(node, Kind::File, place(name))
    }

    fn write_how(mut self, node: Node, at: u64, text: &str, durable: bool) -> Self {
        let data = Blob { at: self.blobs.len() as u64, len: text.len() as u64 };
        self.blobs.extend(text.as_bytes());
        self.call(Effect::Write { node, at, data, durable })
    }

    fn write(self, node: Node, at: u64, text: &str) -> Self {
        self.write_how(node, at, text, false)
    }

    fn rename(self, node: Node, from: &str, to: &str, replaces: Option<Node>) -> Self {
        self.call(Effect::Rename { node, from: place(from), to: place(to), replaces })
    }

    fn fsync(self, node: Node) -> Self {
        self.call(Effect::Sync { node, data_only: false })
    }

    fn fdatasync(self, node: Node) -> Self {
        self.call(Effect::Sync { node, data_only: true })
    }

    fn length(self, node: Node, len: u64) -> Self {
        self.call(Effect::Length { node, len })
    }

    /// What may be there after a crash behind the last call: `name=bytes name=bytes`, with a
    /// dot for a zero.
    fn may_leave(self, profile: &str) -> BTreeSet<String> {
        let trace = Trace::new(Header::default(), self.calls, self.blobs);
        let profile = Profile::find(profile).unwrap();
        let plan = Plan::new(&trace, &profile);
        let mut left = BTreeSet::new();
        explore(&plan, 1, 1_000_000, |stage, state| {
            if state.calls == trace.calls.len() {
                assert_eq!(State::parse(&state.to_string(), &plan).unwrap(), state);
                let disk = stage.disk(&state);
                let file = |(path, node): (String, Node)| {
                    let bytes = disk.content(node).read(0, 100);
                    let text = String::from_utf8(bytes).unwrap().replace('\0', ".");
                    format!("{path}={text}")
                };
                left.insert(disk.paths().into_iter().map(file).collect::<Vec<_>>().join(" "));
            }
            ControlFlow::Continue(())
        });
        left
    }
}

#[track_caller]
fn assert_left(found: &BTreeSet<String>, expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|text| (*text).to_owned()).collect();
    assert_eq!(*found, expected);
}

const JOURNALS: [&str; 3] = ["ext4-ordered", "xfs", "btrfs"];

#[test]
fn a_death_loses_nothing_that_was_completed() {
    let story = Story::default().file(1, "a").write(1, 0, "xy").rename(1, "a", "b", None);
    assert_left(&story.may_leave("process"), &["b=xy"]);
}

#[test]
fn posix_orders_nothing() {
    let story = || Story::default().file(1, "a").write(1, 0, "xy");
    assert_left(&story().may_leave("posix"), &["", "a=", "a=..", "a=xy"]);
    let synced = story().fsync(1);
    assert_left(&synced.may_leave("posix"), &["", "a=xy"]);
    let both = story().fsync(1).fsync(ROOT);
    assert_left(&both.may_leave("posix"), &["a=xy"]);
}

#[test]
fn a_journal_has_names_when_it_has_the_file() {
    for profile in JOURNALS {
        let story = Story::default().file(1, "a").write(1, 0, "xy");
        assert_left(&story.may_leave(profile), &["", "a=", "a=xy"]);
        let story = Story::default().file(1, "a").write(1, 0, "xy").fsync(1);
        assert_left(&story.may_leave(profile), &["a=xy"]);
    }
}

#[test]
fn only_ext4_waits_for_the_bytes_of_what_replaces_a_file() {
    let story = || {
        let old = Story::default().file(1, "a").write(1, 0, "old").fsync(1).fsync(ROOT);
        old.file(2, "b").write(2, 0, "new").rename(2, "b", "a", Some(1))
    };
    let expected = ["a=new", "a=old", "a=old b=", "a=old b=new"];
    assert_left(&story().may_leave("ext4-ordered"), &expected);
    for profile in ["xfs", "btrfs"] {
        let mut expected = expected.to_vec();
        expected.push("a=");
        assert_left(&story().may_leave(profile), &expected);
    }
    // To a name that was free, nobody waits.
    let free = Story::default().file(2, "b").write(2, 0, "new").rename(2, "b", "a", None);
    assert!(free.may_leave("ext4-ordered").contains("a="));
}

#[test]
fn names_in_a_journal_keep_their_order() {
    let story = || Story::default().file(1, "a").file(2, "b").file(3, "c");
    for profile in JOURNALS {
        assert_left(&story().may_leave(profile), &["", "a=", "a= b=", "a= b= c="]);
    }
    assert_eq!(story().may_leave("posix").len(), 8);
}

#[test]
fn a_sync_writes_the_whole_journal_or_only_the_files_own_names() {
    let story = || Story::default().file(1, "a").file(2, "b").file(3, "c").fsync(2);
    for profile in ["ext4-ordered", "xfs"] {
        assert_left(&story().may_leave(profile), &["a= b=", "a= b= c="]);
    }
    assert_left(&story().may_leave("btrfs"), &["b=", "a= b=", "a= b= c="]);
    assert_eq!(story().may_leave("posix").len(), 8);
}

#[test]
fn btrfs_logs_the_new_directories_on_the_way() {
    let story = Story::default().make(1, Kind::Dir, place("d"));
    let story = story.make(2, Kind::File, place_in(1, "a")).write(2, 0, "x").fsync(2);
    assert_left(&story.may_leave("btrfs"), &["d= d/a=x"]);
}

#[test]
fn fdatasync_does_what_fsync_does_where_the_file_has_grown() {
    let grown = || Story::default().file(1, "a").write(1, 0, "xy").fdatasync(1);
    assert_left(&grown().may_leave("ext4-ordered"), &["a=xy"]);
    assert_left(&grown().may_leave("posix"), &["", "a=xy"]);
    let same_length = grown().rename(1, "a", "b", None).write(1, 0, "z").fdatasync(1);
    assert_left(&same_length.may_leave("ext4-ordered"), &["a=zy", "b=zy"]);
}

#[test]
fn a_sector_is_written_as_it_was_at_some_moment() {
    let story = || {
        let made = Story::default().file(1, "a").write(1, 0, "...").fsync(1).fsync(ROOT);
        made.write(1, 0, "x").write(1, 1, "y")
    };
    assert_left(&story().may_leave("xfs"), &["a=...", "a=x..", "a=xy."]);
    assert_left(&story().may_leave("posix"), &["a=...", "a=x..", "a=.y.", "a=xy."]);
}

#[test]
fn a_failed_sync_is_no_barrier_and_makes_the_next_one_none() {
    let story = || {
        let made = Story::default().file(1, "a").fsync(1).fsync(ROOT).write(1, 0, "x");
        made.call(Effect::SyncFailed { node: 1 }).fsync(1)
    };
    assert!(story().may_leave("posix").contains("a="));
    assert!(story().may_leave("ext4-ordered").contains("a="));
    let after = story().write(1, 0, "y").fsync(1);
    assert!(!after.may_leave("ext4-ordered").contains("a="));
}

#[test]
fn what_was_opened_for_durable_writes_is_durable() {
    let story = Story::default().file(1, "a").fsync(1).fsync(ROOT).write(1, 0, "old");
    let story = story.write_how(1, 3, "new", true);
    assert_left(&story.may_leave("posix"), &["a=...new", "a=oldnew"]);
}

#[test]
fn bytes_behind_a_truncation_come_after_it() {
    let story = || {
        let made = Story::default().file(1, "a").write(1, 0, "old").fsync(1).fsync(ROOT);
        made.length(1, 0).write(1, 0, "n")
    };
    assert_left(&story().may_leave("ext4-ordered"), &["a=", "a=n", "a=old"]);
    assert!(story().may_leave("posix").contains("a=nld"));
}

#[test]
fn a_move_between_directories_never_loses_the_file() {
    let story = Story::default().make(1, Kind::Dir, place("d")).file(2, "a").write(2, 0, "x");
    let story = story.fsync(2).fsync(1).fsync(ROOT);
    let to = place_in(1, "a");
    let story = story.call(Effect::Rename { node: 2, from: place("a"), to, replaces: None });
    assert_left(&story.may_leave("posix"), &["a=x d=", "a=x d= d/a=x", "d= d/a=x"]);
}

#[test]
fn sync_makes_everything_durable() {
    let story = Story::default().file(1, "a").write(1, 0, "x").call(Effect::SyncAll);
    assert_left(&story.may_leave("posix"), &["a=x"]);
}

#[test]
fn a_file_of_one_byte_units_can_be_torn_anywhere() {
    let trace = {
        let story = Story::default().file(1, "a").fsync(1).fsync(ROOT).write(1, 0, "abc");
        Trace::new(Header::default(), story.calls, story.blobs)
    };
    let mut profile = Profile::find("posix").unwrap();
    profile.unit = 1;
    let plan = Plan::new(&trace, &profile);
    assert_eq!(plan.atoms_of(3).len(), 4, "three bytes, and the length");
}
