//! Memory is bounded by the largest block, not by the stream.
//!
//! `PURO_MEMORY_MIB` sets how large the stream is.

use crate::real::*;
use puro::{NewRecord, Producer};

/// What a consumer holds does not grow with the stream.
#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_the_stream() {
    const MIB: usize = 1 << 20;
    let resident = |field: &str| -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    if let Ok(dir) = std::env::var("PURO_TEST_MEMORY") {
        let before = resident("VmRSS");
        let mut reader = fast_consumer().open(&dir).unwrap();
        let mut bytes = 0;
        while let Some(record) = reader.try_next().unwrap() {
            bytes += record.value.unwrap().len();
        }
        let mut producer = Producer::open(&dir).unwrap();
        append(&mut producer, "after");
        println!("grown:{} KiB, {bytes} bytes read", resident("VmHWM") - before);
        println!("kib:{}", resident("VmHWM") - before);
        println!("bytes:{bytes}");
        return;
    }
    let dir = scratch();
    let mebibytes = number("PURO_MEMORY_MIB", 64) as usize;
    let mut producer = Producer::open(dir.path()).unwrap();
    let value = vec![7; MIB];
    for _ in 0..mebibytes {
        producer.append(&NewRecord::new("t", &value)).unwrap();
    }
    let dir = dir.path().to_str().unwrap().to_owned();
    let mut child =
        again("memory::memory_does_not_grow_with_the_stream", &[("PURO_TEST_MEMORY", dir)]);
    let output = child.output().unwrap();
    assert!(output.status.success());
    println!("{}", marked(&output.stdout, "grown:")[0]);
    assert_eq!(marked(&output.stdout, "bytes:"), [(mebibytes * MIB).to_string()]);
    let kib: u64 = marked(&output.stdout, "kib:")[0].parse().unwrap();
    assert!(kib < 16 * 1024, "{kib} KiB more");
}
