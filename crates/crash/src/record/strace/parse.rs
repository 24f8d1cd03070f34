//! Lines of `strace -f -y -xx`, put together again where a call was interrupted by another.

use std::collections::HashMap;

/// A completed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The thread that made it.
    pub pid: i32,
    /// Its name.
    pub name: String,
    /// Its arguments, as they stand there.
    pub args: Vec<String>,
    /// What it returned; negative if it failed.
    pub returned: i64,
    /// The path of a descriptor that it returned.
    pub path: Option<String>,
}

/// Puts lines together.
#[derive(Default)]
pub struct Parser {
    unfinished: HashMap<i32, String>,
}

impl Parser {
    /// A call, if this line completes one.
    pub fn line(&mut self, text: &str) -> Option<Line> {
        let (pid, rest) = text.split_once(' ')?;
        let (pid, rest) = (pid.parse().ok()?, rest.trim_start());
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            self.unfinished.insert(pid, begun.to_owned());
            return None;
        }
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let begun = self.unfinished.remove(&pid)?;
            let (_, end) = resumed.split_once(" resumed>")?;
            return parse(pid, &format!("{begun}{end}"));
        }
        parse(pid, rest)
    }
}

fn parse(pid: i32, text: &str) -> Option<Line> {
    let (name, rest) = text.split_once('(')?;
    let (args, end) = arguments(rest)?;
    let (_, result) = rest[end..].split_once("= ")?;
    let number = result.split([' ', '<']).next()?;
    // A call that never returned, such as `exit`, has a question mark.
    let returned = match number.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).unwrap_or(i64::MAX),
        None => number.parse().ok()?,
    };
    let path = annotation(result);
    Some(Line { pid, name: name.to_owned(), args, returned, path })
}

/// The arguments, and where they end. Texts and paths are written in hexadecimal, so that no
/// bracket or comma of theirs can be mistaken for one of the line's.
fn arguments(text: &str) -> Option<(Vec<String>, usize)> {
    let (mut depth, mut from, mut args) = (0, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' if depth == 0 => {
                args.push(text[from..at].trim().to_owned());
                return Some((args, at));
            }
            b')' | b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                args.push(text[from..at].trim().to_owned());
                from = at + 1;
            }
            _ => {}
        }
    }
    None
}

/// The path behind a descriptor: `3<\x2f\x74>`.
pub fn annotation(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('<')?;
    let (path, behind) = rest.rsplit_once('>')?;
    let path = String::from_utf8(unescape(path)).ok()?;
    Some(if behind.contains("(deleted)") { format!("{path} (deleted)") } else { path })
}

/// The number of a descriptor, or of anything else.
pub fn number(text: &str) -> Option<i64> {
    let text = text.split('<').next()?;
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// All strings of an argument, one behind the other: of a buffer there is one, of a vector many.
pub fn bytes(text: &str) -> Vec<u8> {
    text.split('"').skip(1).step_by(2).flat_map(unescape).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let raw = text.as_bytes();
    let (mut bytes, mut at) = (Vec::with_capacity(raw.len() / 4), 0);
    while at < raw.len() {
        let hex = text.get(at + 2..at + 4).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) if raw[at..].starts_with(b"\\x") => {
                bytes.push(byte);
                at += 4;
            }
            _ => {
                bytes.push(raw[at]);
                at += 1;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_was_interrupted_is_one_call() {
        let mut parser = Parser::default();
        assert_eq!(parser.line(r#"7 write(3<\x2f\x66>, "\x61\x2c\x29", 3 <unfinished ...>"#), None);
        let other = parser.line("8 fsync(4<\\x2f\\x67>) = 0").unwrap();
        assert_eq!((other.pid, other.name.as_str(), other.returned), (8, "fsync", 0));
        let line = parser.line("7 <... write resumed>) = 3").unwrap();
        assert_eq!((line.name.as_str(), line.returned, line.args.len()), ("write", 3, 3));
        assert_eq!(bytes(&line.args[1]), b"a,)");
        assert_eq!(annotation(&line.args[0]).unwrap(), "/f");
    }

    #[test]
    fn vectors_errors_and_descriptors() {
        let mut parser = Parser::default();
        let text = r#"7 writev(1<pipe:[12]>, [{iov_base="\x61", iov_len=1}, {iov_base="\x62", iov_len=1}], 2) = 2"#;
        let line = parser.line(text).unwrap();
        assert_eq!(bytes(&line.args[1]), b"ab");
        assert_eq!(annotation(&line.args[0]).unwrap(), "pipe:[12]");
        let text =
            r#"7 openat(AT_FDCWD<\x2f>, "\x78", O_RDONLY) = -1 ENOENT (No such file or directory)"#;
        assert_eq!(parser.line(text).unwrap().returned, -1);
        let text = r#"7 openat(AT_FDCWD<\x2f>, "\x78", O_RDONLY) = 3<\x2f\x78>"#;
        let line = parser.line(text).unwrap();
        assert_eq!((line.returned, line.path.as_deref()), (3, Some("/x")));
        assert_eq!(parser.line("7 exit_group(0) = ?"), None);
        assert_eq!(parser.line("7 +++ exited with 0 +++"), None);
    }
}
