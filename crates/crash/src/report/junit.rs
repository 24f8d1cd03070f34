//! For CI: one test case for each profile, and one for each finding.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::{ProfileReport, Report};
use crate::error::{At, Result};

/// Writes the report as JUnit's XML.
pub fn write(report: &Report, path: &Path) -> Result<()> {
    fs::write(path, text(report)).at("write", path)
}

fn text(report: &Report) -> String {
    let mut cases = String::new();
    for what in &report.unmeasured {
        case(
            &mut cases,
            "recording",
            what,
            0.0,
            &format!("<skipped message=\"{}\"/>", escape(what)),
        );
    }
    report.profiles.iter().for_each(|profile| of_profile(&mut cases, profile));
    let count = |what: &str| cases.matches(what).count();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"puro-crash\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" errors=\"0\">\n\
         {cases}</testsuite>\n",
        count("<testcase "),
        count("<failure "),
        count("<skipped "),
    )
}

fn of_profile(cases: &mut String, profile: &ProfileReport) {
    let name = format!("{} states under {}", profile.states, profile.profile);
    let skipped = match &profile.why_unmeasured {
        Some(why) => format!("<skipped message=\"{}\"/>", escape(why)),
        None => String::new(),
    };
    case(cases, &profile.profile, &name, profile.elapsed_ms as f64 / 1000.0, &skipped);
    for finding in &profile.findings {
        let sentence = format!("{}: {} states", finding.sentence, finding.states);
        let result = match finding.known {
            true => "<skipped message=\"known to the baseline\"/>".to_owned(),
            false => format!(
                "<failure message=\"{}\">{}\n{}</failure>",
                escape(&sentence),
                escape(&finding.state),
                escape(&finding.output)
            ),
        };
        case(cases, &profile.profile, &sentence, 0.0, &result);
    }
}

fn case(cases: &mut String, class: &str, name: &str, seconds: f64, result: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(
        cases,
        "  <testcase classname=\"puro-crash.{}\" name=\"{}\" time=\"{seconds:.3}\">{result}</testcase>",
        escape(class),
        escape(name),
    );
}

/// For attributes and for text. Control characters are not allowed in XML at all.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(character),
            other if other.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
