//! Where a mirror begins.

use std::str::FromStr;

use puro::{Start, Token};

/// A place as the user gives it.
#[derive(Clone, Copy, Debug)]
pub struct Place(pub Start);

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let start = match text {
            "beginning" => Start::Beginning,
            "end" => Start::End,
            _ => match (text.parse::<u64>(), text.parse::<Token>()) {
                (Ok(offset), _) => Start::Offset(offset),
                (_, Ok(token)) => Start::Token(token),
                _ => return Err("neither beginning, end, an offset nor a token".to_owned()),
            },
        };
        Ok(Self(start))
    }
}
