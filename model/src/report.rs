//! Figures that tests publish: with `PURO_README=write` a test puts its table between the markers
//! of its section in `model/README.md`.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Who writes the page: tests of one program run beside each other.
static PAGE: Mutex<()> = Mutex::new(());

/// Prints a section, and puts it into the page if that is asked for.
///
/// # Panics
/// If the page has no such section.
pub fn publish(section: &str, text: &str) {
    println!("{text}");
    if std::env::var("PURO_README").as_deref() != Ok("write") {
        return;
    }
    let _alone = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let replaced = replace(&page, section, text).expect("a section of this name");
    std::fs::write(&path, replaced).expect("the page can be written");
}

fn replace(page: &str, section: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {section} begins -->"), format!("<!-- {section} ends -->"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n{end}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_the_section_is_replaced() {
        let page = "a\n<!-- x begins -->\nold\n<!-- x ends -->\nb";
        let expected = "a\n<!-- x begins -->\nnew\n<!-- x ends -->\nb";
        assert_eq!(super::replace(page, "x", "new\n").as_deref(), Some(expected));
        assert_eq!(super::replace(page, "y", "new"), None);
    }
}
