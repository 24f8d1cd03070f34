//! Many runs in one module, so that one start of TLC judges them all.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{root, spec_dir};
use crate::tlc;

use super::event::Step;
use super::mutate::Edit;

/// Runs, and what is to be tried of each.
#[derive(Clone, Debug, Default)]
pub struct Family {
    /// Module `Trace<name>` of `model/tla/traces/`; the runs go into `<name>Events`.
    pub name: &'static str,
    pub runs: Vec<Vec<Step>>,
    /// In which world each run was.
    pub worlds: Vec<&'static str>,
    /// Numbers of runs (from 0), with what becomes of them.
    pub variants: Vec<(usize, Edit)>,
    /// Constants of the specification.
    pub constants: Vec<(&'static str, String)>,
}

/// What TLC says of a family.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// Variants that came to their end.
    pub ended: BTreeSet<usize>,
    /// How far each variant without an edit came.
    pub reached: Vec<usize>,
    pub states: u64,
    pub seconds: f64,
}

impl Family {
    fn module(&self) -> String {
        let name = self.name;
        let mut text = format!("---- MODULE {name}Events ----\nEXTENDS Integers, Sequences\n");
        for (number, run) in self.runs.iter().enumerate() {
            let mut mutations = vec![Vec::new(); run.len()];
            for (variant, (of, edit)) in self.variants.iter().enumerate() {
                if let Some(at) = edit.place().filter(|_| *of == number) {
                    mutations[at].push(variant + 1);
                }
            }
            let steps = run.iter().zip(&mutations);
            let steps: Vec<_> = steps.map(|(step, here)| step.tla(here)).collect();
            let _ = write!(text, "Run{} == <<\n  {}>>\n", number + 1, steps.join(",\n  "));
        }
        let runs: Vec<_> = (1..=self.runs.len()).map(|number| format!("Run{number}")).collect();
        let _ = writeln!(text, "Runs == <<{}>>", runs.join(", "));
        let variants = self.variants.iter().map(|(run, edit)| edit.tla(run + 1));
        let variants: Vec<_> = variants.collect();
        let _ = write!(text, "Variants == <<\n  {}>>\n====\n", variants.join(",\n  "));
        text
    }

    fn config(&self, invariant: &str) -> String {
        let mut text = format!("SPECIFICATION TraceSpec\nINVARIANT {invariant}\nCONSTANTS\n");
        for (name, value) in &self.constants {
            let _ = writeln!(text, "  {name} = {value}");
        }
        text
    }

    /// Writes the modules into a folder, to be asked for this invariant: `Tell`, or `Unfinished`
    /// where one run is judged alone.
    pub fn lay_out(&self, dir: &Path, invariant: &str) -> Result<(), String> {
        let io = |error: std::io::Error| format!("{}: {error}", dir.display());
        fs::create_dir_all(dir).map_err(io)?;
        for from in [spec_dir(), root().join("model/tla/traces")] {
            for entry in fs::read_dir(&from).map_err(io)? {
                let path = entry.map_err(io)?.path();
                if path.extension().is_some_and(|extension| extension == "tla") {
                    fs::copy(&path, dir.join(path.file_name().unwrap_or_default())).map_err(io)?;
                }
            }
        }
        let name = self.name;
        fs::write(dir.join(format!("{name}Events.tla")), self.module()).map_err(io)?;
        fs::write(dir.join(format!("Trace{name}.cfg")), self.config(invariant)).map_err(io)
    }

    /// Lets TLC judge all variants.
    pub fn judge(&self, jar: &Path, base: &Path) -> Result<Judged, String> {
        let dir: PathBuf = base.join(self.name);
        let _ = fs::remove_dir_all(&dir);
        self.lay_out(&dir, "Tell")?;
        let begun = std::time::Instant::now();
        let text = tlc::run_module(jar, &dir, &format!("Trace{}", self.name))?;
        let mut judged = Judged {
            reached: vec![0; self.variants.len()],
            states: tlc::distinct_states(&text),
            seconds: begun.elapsed().as_secs_f64(),
            ..Judged::default()
        };
        for line in text.lines() {
            let told = line.strip_prefix("<<\"").and_then(|line| line.strip_suffix(">>"));
            let Some((what, numbers)) = told.and_then(|told| told.split_once("\", ")) else {
                continue;
            };
            let numbers: Vec<usize> = numbers.split(", ").filter_map(|n| n.parse().ok()).collect();
            match (what, numbers.as_slice()) {
                ("end", [variant]) => drop(judged.ended.insert(variant - 1)),
                ("at", [variant, at]) => {
                    let reached = &mut judged.reached[variant - 1];
                    *reached = (*reached).max(*at);
                }
                _ => return Err(format!("TLC said {line:?}")),
            }
        }
        Ok(judged)
    }
}
