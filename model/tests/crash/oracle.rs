//! The oracle itself: each promise is told by its name.

use puro_model::oracle::{Crash, Delivery, Oracle, Promise};

fn batch(number: u32, first: u64, of: u32) -> Vec<Delivery> {
    let records = 0..of;
    records
        .map(|index| Delivery { offset: first + u64::from(index), batch: number, index, of })
        .collect()
}

fn log_of_two() -> Oracle {
    let mut oracle = Oracle::default();
    let first = oracle.attempt(2);
    oracle.appended(first, 0).unwrap();
    oracle.durable_to(first);
    let second = oracle.attempt(1);
    oracle.appended(second, 2).unwrap();
    oracle
}

fn broken(oracle: &Oracle, seen: &[Delivery], crash: Crash) -> Option<Promise> {
    oracle.judge(seen, crash).err().map(|violation| violation.promise)
}

#[test]
fn each_promise_is_told_by_its_name() {
    let oracle = log_of_two();
    let whole = [batch(1, 0, 2), batch(2, 2, 1)].concat();
    assert_eq!(broken(&oracle, &whole, Crash::Death), None);
    assert_eq!(broken(&oracle, &whole[..2], Crash::Power), None);
    assert_eq!(broken(&oracle, &whole[..2], Crash::Death), Some(Promise::Durable));
    assert_eq!(broken(&oracle, &[], Crash::Power), Some(Promise::Durable));
    assert_eq!(broken(&oracle, &whole[..1], Crash::Power), Some(Promise::Atomic));
    assert_eq!(broken(&oracle, &batch(2, 0, 1), Crash::Power), Some(Promise::Prefix));
    let stranger = [whole.clone(), batch(3, 3, 1)].concat();
    assert_eq!(broken(&oracle, &stranger, Crash::Death), Some(Promise::Prefix));
}

#[test]
fn what_nobody_answered_is_there_or_not() {
    let mut oracle = log_of_two();
    let open = oracle.attempt(3);
    let whole = [batch(1, 0, 2), batch(2, 2, 1)].concat();
    assert_eq!(broken(&oracle, &whole, Crash::Death), None);
    assert_eq!(broken(&oracle, &[whole, batch(open, 3, 3)].concat(), Crash::Death), None);
    let next = oracle.attempt(1);
    assert_eq!(oracle.clone().appended(next, 5).unwrap_err().promise, Promise::Prefix);
    oracle.appended(next, 6).unwrap();
    assert_eq!(oracle.batches(), 4);
}
