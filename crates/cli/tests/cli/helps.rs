//! Help, examples, completions, manual pages; `puro bench`.

use std::process::{Command, Stdio};

use crate::cli::Place;

/// Somebody types the lines of the cheat sheet, one after the other, in an empty directory.
#[test]
fn each_line_of_the_cheat_sheet_works() {
    let place = Place::new();
    let cheat = place.puro(&["cheat"]).text();
    let program = place.program();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    place.write("note.txt", "a file\n");
    let mut ran = 0;
    for entry in cheat.split_terminator("\n\n") {
        let (what, line) = entry.split_once('\n').unwrap();
        let says = what.strip_prefix("# ").unwrap();
        if says.contains("until Ctrl-C") {
            continue;
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(place.path("")).env("PATH", &path);
        let output = shell.stdin(Stdio::null()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {told}");
        assert!(!told.contains("no record of topic"), "{line}: {told}");
        ran += 1;
    }
    assert!(ran > 30, "{ran}");
    assert!(place.path("man1").join("puro-consume.1").exists());
    // A pattern in the help, an exit code on one page alone.
    let help = place.puro(&["consume", "--help"]).text();
    assert!(help.contains("Examples:\n  puro consume events -e\n"), "{help}");
    assert!(help.contains("`puro --help` tells the exit codes"));
    assert!(place.puro(&["backup", "--help"]).text().contains("Examples:\n  puro backup"));
}

#[test]
fn completions_and_pages_are_of_the_commands_there_are() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = place.puro(&["completions", shell]).text();
        assert!(text.contains("consume") && text.contains("if-lost"), "{shell}");
        assert!(!text.contains("demo-worker") && !text.contains("demo__worker"), "{shell}");
    }
    let bash = place.puro(&["completions", "bash"]).text();
    place.write("puro.bash", &bash);
    let checked = Command::new("bash").arg("-n").arg(place.path("puro.bash")).status();
    assert!(checked.is_ok_and(|status| status.success()) || !cfg!(target_os = "linux"));
    let page = place.puro(&["man"]).text();
    assert!(page.starts_with(".ie") || page.contains(".TH puro 1"), "{page}");
    assert!(page.contains("Exit codes") || page.contains("EXIT CODES"), "{page}");
    std::fs::create_dir(place.path("pages")).unwrap();
    place.puro(&["man", "pages"]).text();
    let consume = std::fs::read_to_string(place.path("pages/puro-consume.1")).unwrap();
    assert!(consume.contains("billing"), "with its examples");
    place.puro(&["man", "nowhere"]).fails(74, "cannot write nowhere");
    place.puro(&["completions", "tcsh"]).fails(64, "tcsh");
}

/// In a pipe nothing is coloured.
#[test]
fn colours_are_for_terminals() {
    let place = Place::new();
    for args in [&["--help"][..], &["consume", "--help"], &["cheat"]] {
        assert!(!place.puro(args).text().contains('\x1b'), "{args:?}");
    }
    assert!(!place.puro(&["consume"]).stderr.contains('\x1b'));
    assert!(!place.puro(&["fetch"]).stderr.contains('\x1b'));
}

#[test]
fn a_bench_tells_figures_and_leaves_nothing() {
    let place = Place::new();
    std::fs::create_dir(place.path("disk")).unwrap();
    let args = ["bench", "disk", "--seconds", "0.05"];
    let text = place.puro(&args).text();
    assert_eq!(text.lines().count(), 8, "{text}");
    let json = place.puro(&[&args[..], &["--json", "--record-bytes", "1M"]].concat()).text();
    let told: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(told["record_bytes"], 1 << 20);
    for figure in told["figures"].as_array().unwrap() {
        assert!(figure["value"].as_f64().unwrap() > 0.0, "{figure}");
    }
    assert_eq!(std::fs::read_dir(place.path("disk")).unwrap().count(), 0);
    place.puro(&["bench", "none"]).fails(74, "cannot make none");
    place.puro(&["bench", "disk", "--record-bytes", "11M"]).fails(64, "too long");
    place.puro(&["bench", "disk", "--seconds", "0"]).fails(64, "above 0");
    assert_eq!(std::fs::read_dir(place.path("disk")).unwrap().count(), 0);
}
