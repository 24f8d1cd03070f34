//! Values of TLA+, as TLC prints them.

use std::collections::{BTreeMap, BTreeSet};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A number.
    Number(i64),
    /// `TRUE` or `FALSE`.
    Truth(bool),
    /// A string.
    Text(String),
    /// A set.
    Set(BTreeSet<Value>),
    /// A sequence; TLC prints functions on `1..n` so too.
    Sequence(Vec<Value>),
    /// A record.
    Record(BTreeMap<String, Value>),
}

/// What a value can be turned into.
pub trait FromValue: Sized {
    /// The same thing as a value of Rust; `None` if it is something else.
    fn from_value(value: &Value) -> Option<Self>;
}

impl FromValue for u8 {
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Number(number) = value { u8::try_from(*number).ok() } else { None }
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Truth(truth) = value { Some(*truth) } else { None }
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: &Value) -> Option<Self> {
        let Value::Sequence(items) = value else { return None };
        items.iter().map(T::from_value).collect()
    }
}

impl<T: FromValue + Ord> FromValue for BTreeSet<T> {
    fn from_value(value: &Value) -> Option<Self> {
        let Value::Set(items) = value else { return None };
        items.iter().map(T::from_value).collect()
    }
}

impl<T: FromValue, U: FromValue> FromValue for (T, U) {
    fn from_value(value: &Value) -> Option<Self> {
        let Value::Sequence(items) = value else { return None };
        let [first, second] = items.as_slice() else { return None };
        Some((T::from_value(first)?, U::from_value(second)?))
    }
}

impl Value {
    /// A field of a record.
    pub fn field<T: FromValue>(&self, name: &str) -> Option<T> {
        let Value::Record(fields) = self else { return None };
        T::from_value(fields.get(name)?)
    }
}

/// Reads values from a text, one after another.
pub struct Parser<'t> {
    text: &'t str,
}

impl<'t> Parser<'t> {
    /// A parser at the beginning of a text.
    pub fn new(text: &'t str) -> Self {
        Self { text }
    }

    /// Whether the text goes on with this; if so, it is passed.
    pub fn passes(&mut self, what: &str) -> bool {
        self.text = self.text.trim_start();
        let rest = self.text.strip_prefix(what);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    /// The next name.
    pub fn name(&mut self) -> Option<&'t str> {
        self.text = self.text.trim_start();
        let end = self.text.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (name, rest) = self.text.split_at(end.unwrap_or(self.text.len()));
        self.text = rest;
        (!name.is_empty()).then_some(name)
    }

    /// The next value.
    pub fn value(&mut self) -> Option<Value> {
        if self.passes("<<") {
            return self.items(">>").map(Value::Sequence);
        }
        if self.passes("{") {
            return self.items("}").map(|items| Value::Set(items.into_iter().collect()));
        }
        if self.passes("[") {
            return self.fields().map(Value::Record);
        }
        if self.passes("\"") {
            let (text, rest) = self.text.split_once('"')?;
            self.text = rest;
            return Some(Value::Text(text.to_owned()));
        }
        let minus = self.passes("-");
        match self.name()? {
            "TRUE" => Some(Value::Truth(true)),
            "FALSE" => Some(Value::Truth(false)),
            digits => {
                let number: i64 = digits.parse().ok()?;
                if self.passes("..") {
                    let last = self.name()?.parse().ok()?;
                    return Some(Value::Set((number..=last).map(Value::Number).collect()));
                }
                Some(Value::Number(if minus { -number } else { number }))
            }
        }
    }

    fn items(&mut self, end: &str) -> Option<Vec<Value>> {
        let mut items = Vec::new();
        while !self.passes(end) {
            items.push(self.value()?);
            self.passes(",");
        }
        Some(items)
    }

    fn fields(&mut self) -> Option<BTreeMap<String, Value>> {
        let mut fields = BTreeMap::new();
        while !self.passes("]") {
            let name = self.name()?;
            if !self.passes("|->") {
                return None;
            }
            fields.insert(name.to_owned(), self.value()?);
            self.passes(",");
        }
        Some(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_tlc_prints_them() {
        let text = "<<{[b |-> 0, s |-> 2]}, <<>>, << \"look\",\n -1 >>, TRUE, 1..2>>";
        let Some(Value::Sequence(items)) = Parser::new(text).value() else { panic!("a sequence") };
        let record = BTreeMap::from([
            ("b".to_owned(), Value::Number(0)),
            ("s".to_owned(), Value::Number(2)),
        ]);
        assert_eq!(items[0], Value::Set(BTreeSet::from([Value::Record(record)])));
        assert_eq!(items[1], Value::Sequence(Vec::new()));
        let pair = vec![Value::Text("look".into()), Value::Number(-1)];
        assert_eq!(items[2], Value::Sequence(pair));
        assert_eq!(items[3], Value::Truth(true));
        assert_eq!(items[4], Value::Set([1, 2].map(Value::Number).into()));
    }

    #[test]
    fn what_is_cut_is_no_value() {
        for text in ["<<1, 2", "[b |-> ", "{1, ]", "\"open", "", "[b -> 1]"] {
            assert_eq!(Parser::new(text).value(), None, "{text}");
        }
    }
}
