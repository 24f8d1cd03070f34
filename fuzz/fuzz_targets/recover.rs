//! What it checks stands in `puro_model::fuzz::recover`, so that the corpus runs as an
//! ordinary test too.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| puro_model::fuzz::recover(data));
