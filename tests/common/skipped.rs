//! What a machine cannot, and a test needs.

use std::io::Write;

/// Tells that a test looks at nothing here, where it is seen: the harness keeps what tests print. With
/// `PURO_NO_SKIPS` set, as in CI, whose machine can do all, the test fails.
#[allow(clippy::explicit_write)] // `eprintln!` is kept by the harness
pub fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var_os("PURO_NO_SKIPS").is_none(), "skipped: {test}: {why}");
    writeln!(std::io::stderr(), "skipped: {test}: {why}").unwrap();
}
