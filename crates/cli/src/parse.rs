//! What users write on the command line: sizes, places to start at, times, escapes.

use puro::{Start, Token};

use crate::time::{parse_ago, parse_time};

/// A number of bytes: `4096`, `64K`, `64KiB`, `1M`, `1GiB`. K, M and G are powers of 1024.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let factor: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return Err(format!("`{unit}` is no unit; use K, M, G or T")),
    };
    let number: u64 = digits.parse().map_err(|_| "it must begin with a number".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "it is too large".to_owned())
}

/// Where to start, as `consume --from` takes it.
pub fn parse_start(text: &str) -> Result<Start, String> {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    let number = |digits: &str| digits.parse::<u64>().map_err(|error| error.to_string());
    match text {
        "beginning" => return Ok(Start::Beginning),
        "end" => return Ok(Start::End),
        _ if is_number(text) => return number(text).map(Start::Offset),
        _ => {}
    }
    if let Some(count) = text.strip_prefix('-').filter(|count| is_number(count)) {
        return number(count).map(Start::Last);
    }
    if let Some(time_ms) = text.strip_prefix('@').filter(|time_ms| is_number(time_ms)) {
        return number(time_ms).map(Start::Time);
    }
    if let Ok(token) = text.parse::<Token>() {
        return Ok(Start::Token(token));
    }
    parse_ago(text).or_else(|| parse_time(text)).map(Start::Time).ok_or_else(|| {
        "it must be beginning, end, an offset, -N for the last N records, a time such as \
         2026-01-31T12:00:00Z, 14:30 or @MILLISECONDS, how long ago such as 15m, or a token"
            .to_owned()
    })
}

/// One escape at the front of `text`, which begins behind the backslash: the byte it
/// stands for, and the rest. They are `\n \t \r \0 \\ \xHH`.
pub fn split_escape(text: &str) -> Result<(u8, &str), String> {
    let Some(first) = text.chars().next() else {
        return Err("it ends in a lone backslash; write \\\\ for a backslash".to_owned());
    };
    let rest = text.get(first.len_utf8()..).unwrap_or_default();
    let byte = match first {
        'n' => b'\n',
        't' => b'\t',
        'r' => b'\r',
        '0' => 0,
        '\\' => b'\\',
        'x' => {
            let digits = rest.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            let byte = byte.ok_or("\\x needs two hexadecimal digits")?;
            return Ok((byte, rest.get(2..).unwrap_or_default()));
        }
        other => return Err(format!("\\{other} is unknown; there are \\n \\t \\r \\0 \\\\ \\xHH")),
    };
    Ok((byte, rest))
}

/// A text with its escapes replaced by their bytes, at least one byte long.
pub fn parse_delimiter(text: &str) -> Result<Delimiter, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let (byte, behind) = split_escape(after)?;
        bytes.push(byte);
        rest = behind;
    }
    bytes.extend_from_slice(rest.as_bytes());
    if bytes.is_empty() { Err("it must not be empty".to_owned()) } else { Ok(Delimiter(bytes)) }
}

/// What stands between a key and a value, or behind a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delimiter(Vec<u8>);

impl Delimiter {
    /// How long it is.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Its bytes; there is at least one.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What stands before it and what behind it, where it stands in the line first.
    pub fn split<'l>(&self, line: &'l [u8]) -> Option<(&'l [u8], &'l [u8])> {
        let at = match self.0.as_slice() {
            [byte] => line.iter().position(|found| found == byte),
            bytes => line.windows(bytes.len()).position(|window| window == bytes),
        }?;
        Some((line.get(..at)?, line.get(at + self.0.len()..)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::time::now_ms;

    #[test]
    fn sizes_take_binary_units() {
        let sizes =
            [("4096", 4096), ("4k", 4096), ("64KiB", 65536), ("2 MiB", 2 << 20), ("1G", 1 << 30)];
        for (text, bytes) in sizes {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "K", "-1", "1.5M", "10X", "1kb", "99999999999999999999", "99999999T"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn starts_are_told_apart() {
        let token = Token { stream_id: [0xAB; 16].into(), epoch: 2, offset: 7 };
        let noon = 1_769_860_800_000; // 2026-01-31T12:00:00Z
        let starts = [
            ("beginning", Start::Beginning),
            ("end", Start::End),
            ("2026", Start::Offset(2026)),
            ("-5", Start::Last(5)),
            ("@1500", Start::Time(1500)),
            (&token.to_string(), Start::Token(token)),
            ("2026-01-31T12:00:00Z", Start::Time(noon)),
            ("2026-01-31 12:00Z", Start::Time(noon)),
            ("2026-01-31T12:00:00.25z", Start::Time(noon + 250)),
            ("2026-01-31T14:00:00+02:00", Start::Time(noon)),
            ("2026-01-31T06:30-0530", Start::Time(noon)),
            ("2026-01-31T13:00[Etc/GMT-1]", Start::Time(noon)),
            ("1970-01-01T00:00:00Z", Start::Time(0)),
        ];
        for (text, start) in starts {
            assert_eq!(parse_start(text), Ok(start), "{text}");
        }
        for text in [
            "",
            "-",
            "@",
            "5 apples",
            "2026-13-01",
            "2026-01-31T12:00+26:00",
            "2026-01-31T12",
            "2026-01-31T12:00[Nowhere/None]",
            "yesterday",
            "1969-12-31T23:00Z",
            "1969-12-31T23:00:00+00:00",
            "-15m",
            "12:60",
        ] {
            assert!(parse_start(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_so_long_ago() {
        let before = now_ms();
        let Ok(Start::Time(found)) = parse_start("1h 30m") else { panic!("no time") };
        let after = now_ms();
        assert!((before - 5_400_000..=after - 5_400_000).contains(&found));
    }

    #[test]
    fn delimiters_have_escapes() {
        let tab = parse_delimiter("\\t").unwrap();
        assert_eq!(tab.split(b"a\tb\tc"), Some((&b"a"[..], &b"b\tc"[..])));
        assert_eq!(tab.split(b"abc"), None);
        let long = parse_delimiter("=\\x3e").unwrap();
        assert_eq!(long.split(b"a==>b"), Some((&b"a="[..], &b"b"[..])));
        for text in ["", "\\", "\\q", "\\x4", "\\x+1"] {
            assert!(parse_delimiter(text).is_err(), "{text}");
        }
    }
}
