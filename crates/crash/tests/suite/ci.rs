//! The page "In your CI" is true: each of its examples runs, and stands there as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Place, Said, python};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(CRATE).join(name)).unwrap()
}

/// A command with the program on its path, in a copy of `ci/`.
fn command(place: &Place, program: &str) -> Command {
    let from = Path::new(CRATE).join("ci");
    let copied = Command::new("cp").arg("-r").arg(from).arg(place.path("ci")).status().unwrap();
    assert!(copied.success());
    let own = PathBuf::from(env!("CARGO_BIN_EXE_puro-crash"));
    let path = format!("{}:{}", own.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(program);
    command.env("PATH", path).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

#[test]
fn the_page_shows_the_files_as_they_are() {
    let page = text("CI.md");
    let files = ["example/save", "example/check", "github.yml", "any-ci.sh", "test_crash.py"];
    for name in files {
        assert!(page.contains(&text(&format!("ci/{name}"))), "{name} has changed");
    }
}

#[test]
fn a_script_for_any_ci() {
    let place = Place::new();
    let mut command = command(&place, "sh");
    let output = command.arg("any-ci.sh").current_dir(place.path("ci")).output().unwrap();
    let said = Said::new(output).expect(0);
    assert_eq!(said.numbers().1, 0);
    assert!(place.path("ci/crash.xml").exists() && place.path("ci/crash.html").exists());
}

#[test]
fn a_test_among_others() {
    let place = Place::new();
    let mut command = command(&place, &python());
    let output = command.arg("test_crash.py").current_dir(place.path("ci")).output().unwrap();
    let said = Said::new(output).expect(0);
    assert!(!said.stderr.contains("skipped"), "{}", said.stderr);
}

/// The values of `with:` in the workflow, as the action's step gets them.
fn inputs(workflow: &str) -> Vec<(String, String)> {
    let (_, with) = workflow.rsplit_once("with:\n").unwrap();
    let pairs = with.lines().filter_map(|line| line.trim().split_once(": "));
    pairs.map(|(key, value)| (format!("CRASH_{}", key.to_uppercase()), value.to_owned())).collect()
}

#[test]
fn the_github_action() {
    let place = Place::new();
    let mut command = command(&place, "bash");
    command.arg(Path::new(CRATE).join("action/run.sh")).current_dir(place.path("."));
    command.env("GITHUB_WORKSPACE", place.path(".")).envs(inputs(&text("ci/github.yml")));
    command.env("GITHUB_STEP_SUMMARY", place.path("summary.md"));
    let said = Said::new(command.output().unwrap()).expect(0);
    assert_eq!(said.numbers().1, 0);
    let summary = fs::read_to_string(place.path("summary.md")).unwrap();
    assert!(summary.contains("states, 0 failed"), "{summary}");
}

/// What the workflow uses is where the workflow has put it, and what the action installs is there.
#[test]
fn the_workflow_leads_to_the_action() {
    let workflow = text("ci/github.yml");
    let path = workflow.lines().find_map(|line| line.trim().strip_prefix("path: ")).unwrap();
    let mut lines = workflow.lines().rev();
    let uses = lines.find_map(|line| line.trim().strip_prefix("- uses: ./")).unwrap();
    let uses = uses.strip_prefix(path).unwrap().to_owned();
    let root = Path::new(CRATE).ancestors().nth(2).unwrap().display().to_string();
    assert_eq!(fs::canonicalize(root + &uses).unwrap(), Path::new(CRATE).join("action"));
    assert!(text("action/action.yml").contains("--path \"$GITHUB_ACTION_PATH/..\""));
    assert!(Path::new(CRATE).join("action/../Cargo.toml").exists());
}

#[test]
fn the_action_passes_every_input_to_its_step() {
    let (action, step) = (text("action/action.yml"), text("action/run.sh"));
    for (variable, _) in inputs(&text("ci/github.yml")) {
        assert!(action.contains(&format!("{variable}: ${{{{ inputs.")), "{variable}");
        assert!(step.contains(&format!("${variable}")), "{variable}");
    }
}
