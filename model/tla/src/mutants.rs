//! Mutants: one mechanism or guard each is taken out of the modules by a textual
//! patch, and the configurations named must refute what is left.
//!
//! The list is `mutants.txt`, in paragraphs of `key: value` lines:
//! `name`, `clause`, `what`, `file`, then `find` and `replace`, once or more (a `⏎` stands for a line
//! break), `run` (configurations, the first is to refute it) and, for one that
//! nothing refutes, `survives`: why it may. `form: long` keeps one out of the short form, for it
//! takes half a minute or longer.

use crate::config::{Config, spec_dir};
use crate::{Outcome, Verdict, tlc};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Default)]
pub struct Mutant {
    pub name: String,
    pub clause: String,
    pub what: String,
    /// The module, what is found in it, and what takes its place.
    pub patches: Vec<(String, String, String)>,
    pub run: Vec<String>,
    pub survives: Option<String>,
    /// Only run in the long form.
    pub long: bool,
}

/// Reads the list.
pub fn parse(text: &str) -> Result<Vec<Mutant>, String> {
    let mut found = Vec::new();
    for paragraph in text.split("\n\n").filter(|p| p.contains("name: ")) {
        let mut mutant = Mutant::default();
        let (mut file, mut find) = (String::new(), None);
        for line in paragraph.lines().filter(|l| !l.starts_with('#')) {
            let (key, value) = line.split_once(':').ok_or_else(|| format!("no key: {line}"))?;
            let value = value.strip_prefix(' ').unwrap_or(value).replace('⏎', "\n");
            match key {
                "name" => mutant.name = value,
                "clause" => mutant.clause = value,
                "what" => mutant.what = value,
                "file" => file = value,
                "find" => find = Some(value),
                "replace" => {
                    let found = find
                        .take()
                        .ok_or_else(|| format!("{}: replace without find", mutant.name))?;
                    mutant.patches.push((file.clone(), found, value));
                }
                "run" => mutant.run = value.split_whitespace().map(String::from).collect(),
                "form" if value == "long" => mutant.long = true,
                "survives" => mutant.survives = Some(value),
                _ => return Err(format!("{}: unknown key {key}", mutant.name)),
            }
        }
        if mutant.patches.is_empty() || mutant.run.is_empty() {
            return Err(format!("{}: no patch or no configuration", mutant.name));
        }
        found.push(mutant);
    }
    Ok(found)
}

/// The list of this repository.
pub fn list() -> Result<Vec<Mutant>, String> {
    parse(include_str!("../mutants.txt"))
}

/// The patched modules, if every patch fits exactly once.
pub fn patched(mutant: &Mutant) -> Result<BTreeMap<String, String>, String> {
    let mut made = BTreeMap::new();
    for (file, find, replace) in &mutant.patches {
        let path = spec_dir().join(file);
        let text = match made.remove(file) {
            Some(text) => text,
            None => fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?,
        };
        match text.matches(find.as_str()).count() {
            1 => made.insert(file.clone(), text.replacen(find.as_str(), replace, 1)),
            n => return Err(format!("{}: its patch fits {n} times: {find:?}", mutant.name)),
        };
    }
    Ok(made)
}

/// Writes all modules with the patches into `dir`.
fn lay_out(mutant: &Mutant, dir: &Path) -> Result<(), String> {
    let made = patched(mutant)?;
    let io = |e: std::io::Error| format!("{}: {e}", mutant.name);
    fs::create_dir_all(dir).map_err(io)?;
    for entry in fs::read_dir(spec_dir()).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|e| e == "tla" || e == "cfg") {
            fs::copy(&path, dir.join(path.file_name().unwrap_or_default())).map_err(io)?;
        }
    }
    made.into_iter().try_for_each(|(file, text)| fs::write(dir.join(file), text).map_err(io))
}

/// What came of one mutant: the runs in order, up to the first that refutes it.
#[derive(Debug)]
pub struct Trial {
    pub mutant: Mutant,
    pub runs: Vec<(String, Outcome)>,
    /// Set where CI has to fail.
    pub complaint: Option<String>,
}

/// Runs one mutant.
pub fn try_out(jar: &Path, base: &Path, mutant: &Mutant, configs: &[Config]) -> Trial {
    let dir: PathBuf = base.join(&mutant.name);
    let _ = fs::remove_dir_all(&dir);
    let mut trial = Trial { mutant: mutant.clone(), runs: Vec::new(), complaint: None };
    if let Err(error) = lay_out(mutant, &dir) {
        trial.complaint = Some(error);
        return trial;
    }
    for name in &mutant.run {
        let Some(config) = configs.iter().find(|c| c.name == *name) else {
            trial.complaint = Some(format!("no configuration {name}"));
            return trial;
        };
        let outcome = tlc::run(jar, &dir, config, 1, false);
        let verdict = outcome.verdict.clone();
        trial.runs.push((name.clone(), outcome));
        match verdict {
            Verdict::Passed => {}
            Verdict::Refuted(property) => {
                if mutant.survives.is_some() {
                    trial.complaint =
                        Some(format!("listed as a survivor, but {name} refutes it: {property}"));
                }
                let _ = fs::remove_dir_all(&dir);
                return trial;
            }
            Verdict::Broken(why) => {
                trial.complaint = Some(format!("{name}: {why}"));
                return trial;
            }
        }
    }
    if mutant.survives.is_none() {
        trial.complaint = Some("survives, and is not listed as one that may".into());
    }
    let _ = fs::remove_dir_all(&dir);
    trial
}

fn row(Trial { mutant, runs, complaint }: &Trial) -> String {
    let tried = || mutant.run.join(", ");
    let (config, by) = match (runs.last(), complaint) {
        (_, Some(why)) => (tried(), format!("**{why}**")),
        (Some((name, Outcome { verdict: Verdict::Refuted(p), .. })), None) => {
            (name.clone(), p.clone())
        }
        _ => (tried(), "survives".to_string()),
    };
    format!("| {} | {} | {} | {config} | {by} |\n", mutant.name, mutant.clause, mutant.what)
}

/// The matrix, as a page; rows of mutants that were not run stay as they are on the old one.
pub fn matrix(list: &[Mutant], trials: &[Trial], old: &str) -> String {
    let mut page = String::from(
        "# Mutants of the model\n\n\
         Written by `cargo run -p puro-tla --bin tla-check -- --long --only-mutants --table`; \
         the patches are in [mutants.txt](mutants.txt).\n\
         Each takes one mechanism or guard out of `spec/*.tla`; \
         the configuration named refutes it by the property named.\n\n\
         | mutant | clause | what is taken away | configuration | refuted by |\n\
         |---|---|---|---|---|\n",
    );
    let mut survivors = String::from(
        "\n## Survivors\n\nNo configuration refutes these. What the model can do without is a \
         candidate for removal;\neach says whether it is one, and why it is there all the same.\n\n",
    );
    for mutant in list {
        let head = format!("| {} |", mutant.name);
        if let Some(trial) = trials.iter().find(|t| t.mutant.name == mutant.name) {
            page += &row(trial);
        } else if let Some(kept) = old.lines().find(|line| line.starts_with(&head)) {
            page += &format!("{kept}\n");
        }
        if let Some(why) = &mutant.survives {
            survivors += &format!("- **{}** ({}) {why}\n", mutant.name, mutant.clause);
        }
    }
    page + &survivors
}
