//! Makes all vectors: out of bytes made by hand, and of what the Rust code answers. What a case
//! says that it breaks is asserted: the code must have noticed.

mod blocks;
mod directories;
mod headers;
mod images;
mod memories;
mod records;
mod scripts;
mod settings;
mod tails;
mod tokens;
pub mod trees;
mod varints;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::forge::{BEGINNING_MS, BOOT};
use super::{Case, Edit, Line, Snapshot, Step, Tree};
use crate::driver::{Driver, hex};

/// All files of vectors: names and content.
#[must_use]
pub fn all() -> Vec<(&'static str, String)> {
    type Make = fn(&mut Maker<'_>);
    let makers: [(&str, Make); 10] = [
        ("varints", varints::make),
        ("headers", headers::make),
        ("blocks", blocks::make),
        ("records", records::make),
        ("settings", settings::make),
        ("tokens", tokens::make),
        ("tails", tails::make),
        ("directories", directories::make),
        ("scripts", scripts::make),
        ("images", images::make),
    ];
    let trees = trees::all();
    let mut files = vec![("trees", shown_trees(&trees))];
    for (name, make) in makers {
        let mut maker = Maker::new(&trees);
        make(&mut maker);
        assert!(maker.misjudged.is_empty(), "{}", maker.misjudged.join("\n"));
        let line = |case| serde_json::to_string(&Line::Case(case)).unwrap_or_default() + "\n";
        files.push((name, maker.cases.into_iter().map(line).collect()));
    }
    files
}

fn shown_trees(trees: &BTreeMap<String, Snapshot>) -> String {
    let line = |(name, snapshot): (&String, &Snapshot)| {
        let files = snapshot.0.iter().map(|(name, bytes)| (name.clone(), hex(bytes))).collect();
        let tree = Line::Tree(Tree { tree: name.clone(), files });
        serde_json::to_string(&tree).unwrap_or_default() + "\n"
    };
    trees.iter().map(line).collect()
}

/// Makes the cases of one file.
pub struct Maker<'t> {
    driver: Driver,
    trees: &'t BTreeMap<String, Snapshot>,
    cases: Vec<Case>,
    scratch: tempfile::TempDir,
    /// Where the code was of another opinion than the case.
    misjudged: Vec<String>,
}

/// Whether an answer says that something is wrong.
fn is_negative(answer: &Value) -> bool {
    let is =
        |name: &str, fine: &[&str]| answer[name].as_str().is_some_and(|word| !fine.contains(&word));
    answer.get("error").is_some()
        || is("is", &["committed"])
        || is("then", &["end"])
        || is("verdict", &["sound"])
        || is("label", &["clean"])
}

/// What of an answer a port must give, too.
fn expected(request: &Value, mut answer: Value) -> Value {
    if let Some(error) = answer.get("error") {
        return json!({"error": error});
    }
    if let Some(fields) = answer.as_object_mut().filter(|_| request["do"] != "token") {
        fields.remove("text");
    }
    answer
}

impl<'t> Maker<'t> {
    fn new(trees: &'t BTreeMap<String, Snapshot>) -> Self {
        let scratch = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let scratch = scratch.expect("vectors are made in a directory of their own");
        Self { driver: Driver::default(), trees, cases: Vec::new(), scratch, misjudged: Vec::new() }
    }

    /// A case of one request that needs no directory.
    pub fn pure(&mut self, id: &str, clauses: &[&str], breaks: Option<&str>, request: Value) {
        let answer = self.driver.answer(&request);
        assert_ne!(answer["error"], "unsupported", "{id}: {answer}");
        if breaks.is_some() != is_negative(&answer) {
            self.misjudged.push(format!("{id}: {breaks:?}: {answer}"));
        }
        let step = Step {
            edits: Vec::new(),
            expect: expected(&request, answer),
            request,
            or: Vec::new(),
            after: None,
        };
        self.push(id, clauses, breaks, None, vec![step]);
    }

    fn push(
        &mut self,
        id: &str,
        clauses: &[&str],
        breaks: Option<&str>,
        tree: Option<&str>,
        steps: Vec<Step>,
    ) {
        assert!(self.cases.iter().all(|case| case.id != id), "{id} twice");
        let owned = |text: &str| text.to_owned();
        self.cases.push(Case {
            id: owned(id),
            clauses: clauses.iter().copied().map(owned).collect(),
            breaks: breaks.map(owned),
            tree: tree.map(owned),
            steps,
        });
    }

    /// A case in a directory that begins as a tree.
    pub fn scene(&mut self, id: &str, clauses: &[&str], tree: Option<&str>) -> Scene<'_, 't> {
        let dir = self.scratch.path().join(format!("{}", self.cases.len()));
        std::fs::create_dir(&dir).expect("a directory can be made");
        if let Some(tree) = tree {
            let found = self.trees.get(tree).unwrap_or_else(|| panic!("no tree {tree}"));
            found.write(&dir).expect("a tree can be written");
        }
        let owned = |text: &str| text.to_owned();
        Scene {
            maker: self,
            dir,
            id: owned(id),
            clauses: clauses.iter().copied().map(owned).collect(),
            tree: tree.map(owned),
            edits: Vec::new(),
            steps: Vec::new(),
            clock: BEGINNING_MS + 60_000,
            boot: BOOT,
            negative: false,
        }
    }
}

/// A case that is being made, step by step.
pub struct Scene<'m, 't> {
    maker: &'m mut Maker<'t>,
    dir: PathBuf,
    id: String,
    clauses: Vec<String>,
    tree: Option<String>,
    edits: Vec<Edit>,
    steps: Vec<Step>,
    clock: u64,
    boot: [u8; 16],
    negative: bool,
}

impl Scene<'_, '_> {
    /// Somebody changes the directory.
    pub fn edit(mut self, edit: Edit) -> Self {
        edit.apply(&self.dir).unwrap_or_else(|error| panic!("{}: {edit:?}: {error}", self.id));
        self.edits.push(edit);
        self
    }

    /// From now on it is this boot.
    pub fn boot(mut self, boot: [u8; 16]) -> Self {
        self.boot = boot;
        self
    }

    fn request(&mut self, mut request: Value) -> Value {
        self.clock += 1000;
        let fields = request.as_object_mut().expect("a request is an object");
        if fields["do"] != "close" {
            fields.entry("boot").or_insert_with(|| hex(&self.boot).into());
        }
        let writes = ["append", "create", "repair", "set", "consume"];
        if writes.iter().any(|word| fields["do"] == *word) {
            fields.entry("clock").or_insert_with(|| self.clock.into());
        }
        request
    }

    fn answer(&mut self, request: &Value) -> Value {
        let mut asked = request.clone();
        let dir = self.dir.to_string_lossy().into_owned();
        asked["dir"] = dir.into();
        let answer = self.maker.driver.answer(&asked);
        assert_ne!(answer["error"], "unsupported", "{}: {answer}", self.id);
        self.negative |= is_negative(&answer);
        answer
    }

    /// A request that changes nothing that counts.
    pub fn ask(mut self, request: Value) -> Self {
        if request["do"] == "verify" {
            return self.change(request); // K-1: nothing at all
        }
        let request = self.request(request);
        let answer = self.answer(&request);
        let edits = std::mem::take(&mut self.edits);
        self.steps.push(Step {
            edits,
            expect: expected(&request, answer),
            request,
            or: Vec::new(),
            after: None,
        });
        self
    }

    /// Of the last answer these fields do not count: more than one is right.
    pub fn without(mut self, names: &[&str]) -> Self {
        if let Some(fields) = self.steps.last_mut().and_then(|step| step.expect.as_object_mut()) {
            fields.retain(|name, _| !names.contains(&name.as_str()));
        }
        self
    }

    /// This answer is as right as the last one.
    pub fn or(mut self, answer: Value) -> Self {
        if let Some(step) = self.steps.last_mut() {
            step.or.push(answer);
        }
        self
    }

    /// A request after which the directory is looked at.
    pub fn change(mut self, request: Value) -> Self {
        let request = self.request(request);
        let before = self.snapshot();
        let answer = self.answer(&request);
        let after = before.edits_to(&self.snapshot().without_zeros());
        let edits = std::mem::take(&mut self.edits);
        let expect = expected(&request, answer);
        self.steps.push(Step { edits, expect, request, or: Vec::new(), after: Some(after) });
        self
    }

    /// What the directory holds.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.dir).expect("a directory can be read")
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The case is complete; nothing in it is wrong.
    pub fn fine(self) {
        self.done(None);
    }

    /// The case is complete; its input breaks a clause, and that was noticed.
    pub fn breaks(self, clause: &str) {
        if !self.negative {
            let told: Vec<_> = self.steps.iter().map(|step| step.expect.to_string()).collect();
            self.maker
                .misjudged
                .push(format!("{}: {clause} is broken, and nothing told: {told:?}", self.id));
        }
        self.done(Some(clause));
    }

    /// The case is complete; whether something is wrong is what the recovery table says.
    pub fn as_found(self, clause: &str) {
        let breaks = self.negative.then_some(clause);
        self.done(breaks);
    }

    fn done(mut self, breaks: Option<&str>) {
        for step in &self.steps {
            if let Some(handle) = step.request.get("handle") {
                self.maker.driver.answer(&json!({"do": "close", "handle": handle}));
            }
        }
        let _ = std::fs::remove_dir_all(&self.dir);
        let (rest, verified) = apart(std::mem::take(&mut self.steps));
        let id = self.id.clone();
        for (name, steps) in [(id.clone(), rest), (format!("{id}/verify"), verified)] {
            if !steps.is_empty() {
                let negative = steps.iter().any(|step| is_negative(&step.expect));
                let clauses: Vec<_> = self.clauses.iter().map(String::as_str).collect();
                let breaks = breaks.filter(|_| negative);
                self.maker.push(&name, &clauses, breaks, self.tree.as_deref(), steps);
            }
        }
    }
}

/// Verification is a request of its own, which not every port has: it is a case of its own, too,
/// where others come before it. None of those changes anything.
fn apart(steps: Vec<Step>) -> (Vec<Step>, Vec<Step>) {
    if steps.iter().all(|step| step.request["do"] == "verify") {
        return (steps, Vec::new());
    }
    let mut edits = Vec::new();
    let (mut rest, mut verified) = (Vec::new(), Vec::new());
    for mut step in steps {
        edits.extend(step.edits.clone());
        if step.request["do"] == "verify" {
            step.edits = std::mem::take(&mut edits);
            verified.push(step);
        } else {
            rest.push(step);
        }
    }
    (rest, verified)
}

/// Numbers that come in the same order each time.
pub struct Dice(pub u64);

impl Dice {
    /// The next number (splitmix64).
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }
}
