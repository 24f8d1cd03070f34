//! Named consumers whose position the stream does not hold any more, or never did (C-9).

#![allow(clippy::unwrap_used)]

use crate::real::*;
use crate::steward::*;

/// A stream of which retention had taken the most part told a lag of 7000, where 700 were left.
#[test]
fn lag_counts_from_the_lowest_offset_there_is() {
    let dir = scratch();
    let mut producer = small_segments().open(dir.path()).unwrap();
    append(&mut producer, "a");
    let mut named = puro::NamedOptions::new().open(dir.path(), "n").unwrap();
    assert!(named.try_next().unwrap().is_some() && named.commit().unwrap());
    drop(named);
    producer.set_setting("retention_bytes", Some("5000")).unwrap();
    roll(&mut producer, dir.path(), 6);
    let low = fast_consumer().open(dir.path()).unwrap().token().unwrap().offset;
    let high = producer.token().offset;
    assert!(low > 1);
    let reports = puro::positions::list(dir.path()).unwrap();
    assert_eq!(reports[0].lag_offsets, high - low);
    assert_eq!((reports[0].missed_offsets, reports[0].lag_bytes), (low - 1, None));
}
