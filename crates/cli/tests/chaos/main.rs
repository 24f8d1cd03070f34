//! A chaos run: real processes on one directory, and a villain who does to it what people do.
//!
//! Producers (durable or not, in batches, holding the lock, buffered, with an identity), consumers
//! (plain, of one topic, named) and stewards work while the villain kills and stops them, removes
//! lock files, renames the directory away and puts another in its place, copies it, also by hard
//! links, fills the disk, takes rights away, sets limits and clocks. In the end
//!
//! - every record whose append was acknowledged stands where it was told to, once; but for what
//!   retention was told to delete, and what compaction superseded. (Half the time no retention is set, and
//!   then all of them are looked for: what retention deletes takes the evidence along);
//! - no record that was told as not appended is there, nor was ever seen;
//! - all consumers saw one and the same sequence, each all of it;
//! - nobody was told of damage, lost history or the like: the stream was sound all the time.
//!
//! *Lock files.* Whoever removes one at the very instant of an append can cost what others append
//! behind it. So that what is lost can be stated exactly (nothing), the villain takes a lock before he
//! removes its file: then nobody is between the look at the lock's name and the end of an append.
//! He removes the locks of consumers without that, for C-2 keeps two of one name apart.
//!
//! *The disk* is filled behind the seam: while it is full, half a block is written and then
//! ENOSPC reported, and no room is free. *Rights* mean nothing to root, as whom CI runs.
//!
//! `PURO_CHAOS_SECONDS` sets how long it takes (CI: 15; a campaign: 600), `PURO_CHAOS_SEED`
//! repeats the villain's choices, though not how the processes interleave.

#![cfg(target_os = "linux")]

mod cast;
mod judge;
mod ledger;
#[path = "../../../../tests/common/real.rs"]
mod real;
mod villain;

use std::time::Duration;

use villain::Villain;

#[test]
fn nothing_acknowledged_is_lost_whatever_people_do() {
    let seconds = real::number("PURO_CHAOS_SECONDS", 15);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = real::number("PURO_CHAOS_SEED", clock.as_nanos() as u64);
    println!("chaos: {seconds} s; again with PURO_CHAOS_SEED={seed}");
    let mut villain = Villain::begin(seed);
    // In the first half nothing may be deleted at all: all that was acknowledged must be there.
    villain.rage(Duration::from_secs(seconds) / 2);
    villain.calm();
    judge::all_acknowledged_are_there(villain.root(), &villain.stream());
    villain.retention();
    villain.rage(Duration::from_secs(seconds) / 2);
    let deeds = villain.end();
    judge::judge(villain.root(), &deeds);
}
