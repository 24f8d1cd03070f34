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

/// How the address of a Kafka cluster begins.
pub const KAFKA: &str = "kafka://";
/// How the address of a NATS server begins.
pub const NATS: &str = "nats://";

/// Where a mirror begins, or out of which cluster it copies.
#[derive(Clone, Debug)]
pub enum Origin {
    Place(Place),
    /// `HOST:PORT`, or several.
    Cluster(String),
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix(KAFKA) {
            Some("") => Err("kafka:// whom?".to_owned()),
            Some(servers) => Ok(Self::Cluster(servers.to_owned())),
            None => text.parse().map(Self::Place),
        }
    }
}
