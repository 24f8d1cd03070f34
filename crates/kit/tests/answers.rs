//! What the answers of a port say (`spec/kit.md`), and what a port is put to that lacks requests.

use std::collections::BTreeMap;
use std::time::Duration;

use puro_kit::check::judge::{Outcome, judge};
use puro_kit::check::port::Port;
use puro_kit::vectors::{Case, Step};
use serde_json::{Value, json};

/// A port that can do this, and gives one and the same answer to everything.
fn outcome(requests: &[&str], answer: &str, steps: &[(&str, Value)]) -> Outcome {
    let hello = json!({"name": "a port", "requests": requests});
    let script = format!("read line; echo '{hello}'; while read line; do echo '{answer}'; done");
    let command = ["sh".to_owned(), "-c".to_owned(), script];
    let mut port = Port::start(&command, Duration::from_secs(20)).unwrap();
    let step = |(word, expect): &(&str, Value)| Step {
        edits: Vec::new(),
        request: json!({"do": word}),
        expect: expect.clone(),
        or: Vec::new(),
        after: None,
    };
    let steps = steps.iter().map(step).collect();
    let (id, clauses) = ("a case".to_owned(), Vec::new());
    let case = Case { id, clauses, breaks: None, tree: None, steps };
    judge(&mut port, &case, &BTreeMap::new()).outcome
}

/// A driver wrote `"error": null` where there was none, as libraries for JSON do. It failed in 54 cases.
#[test]
fn null_says_none() {
    let answer = r#"{"then": "end", "error": null, "text": null}"#;
    let read = ("read", json!({"then": "end"}));
    assert_eq!(outcome(&["read"], answer, &[read]), Outcome::Passed);
}

/// A reader has neither `info` nor `verify`: it is put to what it has all the same. What changes
/// something cannot be left out of a case.
#[test]
fn what_only_looks_may_be_lacking() {
    let (looks, read) = (("info", json!({"end": 1})), ("read", json!({"then": "end"})));
    let steps = [looks.clone(), read.clone()];
    let answer = |then: &str| json!({ "then": then }).to_string();
    assert_eq!(outcome(&["read"], &answer("end"), &steps), Outcome::Passed);
    assert!(matches!(outcome(&["read"], &answer("damaged"), &steps), Outcome::Failed(_)));
    assert!(matches!(outcome(&["read"], &answer("end"), &[looks]), Outcome::NotRun(_)));
    let steps = [("append", json!({})), read];
    assert!(matches!(outcome(&["read"], &answer("end"), &steps), Outcome::NotRun(_)));
}
