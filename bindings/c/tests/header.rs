//! puro.h is what cbindgen makes of the sources. `PURO_HEADER=write` writes it anew.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

fn made() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let builder = cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("../shared/src/code.rs"))
        .with_src(root.join("src/lib.rs")); // and all its modules
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    // PURO_OK reads better than PURO_CODE_OK.
    String::from_utf8(text).unwrap().replace("PURO_CODE_", "PURO_")
}

/// Somebody changed a function and left the header as it was: programs called what was not there.
#[test]
fn the_header_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/puro.h");
    let made = made();
    if std::env::var("PURO_HEADER").is_ok_and(|how| how == "write") {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == made, "include/puro.h is not current: PURO_HEADER=write, and look at it");
    let said = format!("#define PURO_ABI_VERSION {}\n", puro_c::ABI_VERSION);
    assert!(committed.contains(&said), "cbindgen.toml has another version");
}
