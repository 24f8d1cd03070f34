//! Patterns for the ids of cases.

/// Whether a text is as a pattern says, in which `*` stands for anything.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let Some((before, behind)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len())
        .filter(|at| rest.is_char_boundary(*at))
        .any(|at| rest.get(at..).is_some_and(|rest| fits(behind, rest)))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, fine) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("tail/*", "tail/x/same", true),
            ("tail/*", "tails/x", false),
            ("*/same", "tail/x/same", true),
            ("*x*same*", "tail/x/same", true),
            ("*y*", "tail/x/same", false),
        ] {
            assert_eq!(fits(pattern, text), fine, "{pattern} {text}");
        }
    }
}
