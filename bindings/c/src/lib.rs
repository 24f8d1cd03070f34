//! Puro for C. `puro.h` is made from these sources by cbindgen, comments and all
//! (`tests/header.rs`); what it says at its head is in `cbindgen.toml`.
//!
//! Three rules hold in every function:
//!
//! - Pointers from C are looked at before anything else, and only in `border.rs` and `types.rs`.
//! - A handle is entered, never just dereferenced: see [`border::Handle`].
//! - No panic crosses: see [`border::answer`].
#![allow(clippy::missing_safety_doc, reason = "the head of puro.h says it once for all")]

mod border;
mod consumer;
mod producer;
mod types;

use std::ffi::c_char;

pub use border::{Error, puro_last_error};
pub use consumer::*;
pub use producer::*;
pub use types::*;

/// The version of what puro.h promises. It changes with whatever a compiled program would notice.
pub const ABI_VERSION: u32 = 1;

/// The `PURO_ABI_VERSION` with which the library was built. A program whose own differs must not go
/// on.
#[unsafe(no_mangle)]
pub extern "C" fn puro_abi_version() -> u32 {
    ABI_VERSION
}

/// The version of Puro, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn puro_version() -> *const c_char {
    const TEXT: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    TEXT.as_ptr().cast()
}
