//! What it checks stands in `puro_model::fuzz::operations`, so that the corpus runs as an
//! ordinary test too.
#![no_main]

use puro_model::fuzz::{Play, operations};

libfuzzer_sys::fuzz_target!(|play: Play| operations(&play));
