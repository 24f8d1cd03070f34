//! appends on condition that a topic, or a key in it, has rested.

use puro::internals::dir::segment_name;
use puro::{AppendError, Batch, Blame, NewRecord, Producer, StreamOptions, Token};

use crate::real::{scratch, values};

fn batch(topic: &str, key: &str) -> Batch {
    [NewRecord::new(topic, "v").key(key)].into_iter().collect()
}

/// Which record stood in the way, if one did.
fn in_the_way(appended: Result<puro::Appended, AppendError>) -> Option<Option<u64>> {
    match appended {
        Ok(_) => None,
        Err(error @ AppendError::Overtaken { offset, .. }) => {
            assert_eq!((error.is_conflict(), error.blame()), (true, Blame::Environment));
            assert_eq!(error.was_appended(), Some(false));
            Some(offset)
        }
        Err(other) => panic!("{other}"),
    }
}

/// Two tills of one shop sell from different shelves: neither stands in the other's way, as both did
/// when the condition was on the whole stream.
#[test]
fn others_may_go_on_in_other_topics_and_keys() {
    let dir = scratch();
    let mut one = Producer::open(dir.path()).unwrap();
    let mut two = Producer::open(dir.path()).unwrap();
    let since = one.token();
    two.append_batch(&mut batch("shelf", "figs")).unwrap();
    two.append_batch(&mut batch("audit", "pears")).unwrap();

    let mut pears = batch("shelf", "pears");
    let by_key = one.transaction(&mut pears).if_key_unchanged("shelf", "pears", &since).commit();
    assert_eq!(by_key.unwrap().first_offset, 2);
    let again = one.transaction(&mut pears).if_key_unchanged("shelf", "pears", &since).commit();
    assert_eq!(in_the_way(again), Some(Some(2)));
    let by_topic = one.transaction(&mut pears).if_topic_unchanged("shelf", &since).commit();
    assert_eq!(in_the_way(by_topic), Some(Some(2)), "the newest of them");
    // From the next offset on nothing came; from the last record's own offset on it did.
    let at = |offset| Token { offset, ..since };
    let (end, last) = (at(3), at(2));
    let at_last = one.transaction(&mut pears).if_topic_unchanged("shelf", &last).commit();
    assert_eq!(in_the_way(at_last), Some(Some(2)));
    one.transaction(&mut pears).if_topic_unchanged("shelf", &end).commit().unwrap();
    // All of several conditions must hold.
    let both = one.transaction(&mut pears).if_topic_unchanged("none", &since);
    let both = both.if_key_unchanged("audit", "pears", &since).commit();
    assert_eq!(in_the_way(both), Some(Some(1)));
    // A delete marker is a record, a setting is none.
    let end = one.token();
    one.set(&puro::Setting::MarkerGrace(std::time::Duration::from_secs(1))).unwrap();
    one.transaction(&mut pears).if_topic_unchanged("shelf", &end).commit().unwrap();
    let end = one.token();
    two.append(&NewRecord::delete_marker("shelf", "pears")).unwrap();
    let deleted = one.transaction(&mut pears).if_key_unchanged("shelf", "pears", &end).commit();
    assert_eq!(in_the_way(deleted), Some(Some(end.offset)));

    let ahead = Token { offset: 100, ..since };
    let lost = one.transaction(&mut pears).if_topic_unchanged("shelf", &ahead).commit();
    assert!(matches!(lost, Err(AppendError::Diverged(_))));
}

/// Threads raise counters of their own keys by reading, deciding, and appending: no step is lost, and
/// none is refused for another's sake.
#[test]
fn counters_side_by_side_lose_nothing() {
    let dir = scratch();
    let first = Producer::open(dir.path()).unwrap().token();
    let refused: u32 = std::thread::scope(|scope| {
        let work = |key: &'static str| {
            let dir = dir.path();
            move || {
                let mut producer = Producer::open(dir).unwrap();
                let (mut since, mut refused) = (first, 0);
                for _ in 0..200 {
                    let mut step = batch("counter", key);
                    let tried =
                        producer.transaction(&mut step).if_key_unchanged("counter", key, &since);
                    match tried.commit() {
                        Ok(appended) => since = appended.token,
                        Err(error) => {
                            assert!(error.is_conflict(), "{error}");
                            refused += 1;
                        }
                    }
                }
                refused
            }
        };
        let threads: Vec<_> =
            ["a", "b", "c"].map(|key| scope.spawn(work(key))).into_iter().collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(refused, 0, "each is the only one of its key");
    assert_eq!(values(dir.path()).len(), 600);
}

/// What stands in the way is found across segments, through the indexes of topics, and without
/// reading what they leave out; below what was deleted nobody can tell.
#[test]
fn it_looks_back_over_segments_and_past_other_topics() {
    let dir = scratch();
    StreamOptions::new().segment_bytes(8 << 20).make(dir.path()).unwrap();
    let mut producer = Producer::open(dir.path()).unwrap();
    let since = producer.token();
    let filler = "x".repeat(100_000);
    let fill = |producer: &mut Producer, count| {
        for _ in 0..count {
            producer.append(&NewRecord::new("filler", &filler)).unwrap();
        }
    };
    fill(&mut producer, 100);
    let rare = producer.append(&NewRecord::new("rare", "one").key("k")).unwrap().first_offset;
    fill(&mut producer, 200);
    let names = (0..).map(|number| dir.path().join(segment_name(number)));
    let names: Vec<_> = names.take_while(|path| path.exists()).collect();
    assert!(names.len() > 2, "{names:?}");

    let mut wish = batch("rare", "k");
    let mut ask = |since: Token| {
        let mut producer = Producer::open(dir.path()).unwrap();
        let end = producer.token();
        let asked = producer.transaction(&mut wish).if_end(&end).if_topic_unchanged("rare", &since);
        asked.commit()
    };
    assert_eq!(in_the_way(ask(since)), Some(Some(rare)));
    // A block of another topic in a sealed segment is damaged: the index leads past it.
    let mut bytes = std::fs::read(&names[1]).unwrap();
    let middle = bytes.len() / 4;
    bytes[middle] ^= 1;
    std::fs::write(&names[1], &bytes).unwrap();
    assert_eq!(in_the_way(ask(since)), Some(Some(rare)));
    assert_eq!(in_the_way(ask(Token { offset: rare, ..since })), Some(Some(rare)));

    let stream = puro::Stream::open(dir.path()).unwrap();
    stream.trim(&puro::Trim::before(puro::Start::End).unconsumed(true)).unwrap();
    let low = stream.bounds().unwrap().start;
    assert!(low > rare);
    assert_eq!(in_the_way(ask(since)), Some(None), "it was deleted, and with it what would tell");
    ask(Token { offset: low, ..since }).unwrap();
}

/// C-4 before A-23: an earlier try that went through is the answer, whatever came since.
#[test]
fn an_earlier_try_that_went_through_is_the_answer() {
    let dir = scratch();
    let mut producer = Producer::open(dir.path()).unwrap();
    let since = producer.token();
    for duplicate in [false, true] {
        let mut wish = batch("t", "k");
        let asked = producer.transaction(&mut wish).if_topic_unchanged("t", &since).once("me", 1);
        assert_eq!(asked.commit().unwrap().duplicate, duplicate);
    }
}
