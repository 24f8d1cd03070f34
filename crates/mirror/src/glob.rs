//! Patterns for topics.

use std::convert::Infallible;
use std::str::FromStr;

/// `*` is any bytes, `?` is one, all else is itself.
#[derive(Clone, Debug)]
pub struct Glob(Vec<u8>);

impl FromStr for Glob {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.as_bytes().to_vec()))
    }
}

impl Glob {
    /// Whether a topic fits.
    pub fn fits(&self, topic: &[u8]) -> bool {
        // Which beginnings of the pattern fit what was read so far: no pattern takes long.
        let mut fits = vec![false; self.0.len() + 1];
        fits[0] = true;
        self.pass_stars(&mut fits);
        for byte in topic {
            let mut next = vec![false; fits.len()];
            for (at, wanted) in self.0.iter().enumerate().filter(|(at, _)| fits[*at]) {
                match wanted {
                    b'*' => next[at] = true,
                    b'?' => next[at + 1] = true,
                    wanted => next[at + 1] |= wanted == byte,
                }
            }
            self.pass_stars(&mut next);
            fits = next;
        }
        fits.last() == Some(&true)
    }

    fn pass_stars(&self, fits: &mut [bool]) {
        for (at, wanted) in self.0.iter().enumerate() {
            fits[at + 1] |= fits[at] && *wanted == b'*';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (glob, topic, fits) in [
            ("*", "", true),
            ("orders", "orders", true),
            ("orders", "orders2", false),
            ("orders*", "orders2", true),
            ("*.eu", "orders.eu", true),
            ("*.eu", "orders.eu.old", false),
            ("o?d*s", "orders", true),
            ("o?d*s", "odds", true),
            ("?", "", false),
            ("a*b*c", "abbbc", true),
            ("a*b*c", "acccb", false),
        ] {
            assert_eq!(Glob(glob.into()).fits(topic.as_bytes()), fits, "{glob} {topic}");
        }
    }
}
