//! Tables that are generated into pages, between two markers.

use std::fs;
use std::path::Path;

/// What stands between `<!-- NAME -->` and `<!-- end NAME -->` of a page.
pub fn get(page: &Path, name: &str) -> Result<String, String> {
    let text = fs::read_to_string(page).map_err(|e| format!("{}: {e}", page.display()))?;
    let rest = text.split_once(&format!("<!-- {name} -->\n")).map(|(_, rest)| rest);
    let table = rest.and_then(|rest| rest.split_once(&format!("<!-- end {name} -->")));
    let missing = || format!("{}: no markers for {name:?}", page.display());
    table.map(|(table, _)| table.to_string()).ok_or_else(missing)
}

/// Puts `table` between `<!-- NAME -->` and `<!-- end NAME -->` of a page.
pub fn put(page: &Path, name: &str, table: &str) -> Result<(), String> {
    let text = fs::read_to_string(page).map_err(|e| format!("{}: {e}", page.display()))?;
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- end {name} -->"));
    let missing = || format!("{}: no markers for {name:?}", page.display());
    let (before, rest) = text.split_once(&open).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&close).ok_or_else(missing)?;
    let made = format!("{before}{open}{table}{close}{after}");
    fs::write(page, made).map_err(|e| format!("{}: {e}", page.display()))
}

/// `1234567` as `1,234,567`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut made = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            made.push(',');
        }
        made.push(c);
    }
    made
}
