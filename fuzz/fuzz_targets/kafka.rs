//! What it checks stands in `puro_kafka::fuzz`: batches and requests of clients. By hand, for it builds a network:
//! `cargo fuzz run --sanitizer none --features kafka kafka`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    puro_kafka::fuzz::batch(data);
    puro_kafka::fuzz::request(data);
});
