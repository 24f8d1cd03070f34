//! `puro diff`: what two streams hold that is not the same.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use puro::{Consumer, ConsumerOptions, OwnedRecord, Start};

use crate::common::{CliError, at_work, check_interrupt, exit, message};
use crate::parse::parse_start;
use crate::printable::{Printable, shown};
use crate::streams::Waiting;
use crate::time::format_time;
use crate::topics;

/// Tell what two streams hold that is not the same
///
/// Records are compared by their offsets: topic, key, value, headers and time. `<` is a record of A
/// that B has not, `>` one of B that A has not, both together one that is another there. Exit code 1
/// where anything differs.
#[derive(clap::Args)]
pub struct Args {
    /// A stream's directory
    a: PathBuf,
    /// Another one
    b: PathBuf,
    /// Only records of this topic, or pattern, as for `consume`; may be given more than once
    #[arg(short, long = "topic", value_name = "TOPIC")]
    topics: Vec<OsString>,
    /// Compare the records by their order instead, whatever their offsets and times are
    #[arg(long)]
    content: bool,
    /// Where to start in both, as for `consume`
    #[arg(long, value_name = "PLACE", value_parser = parse_start, default_value = "beginning")]
    #[arg(allow_hyphen_values = true)]
    from: Start,
    /// Print at most so many differences; all of them are counted
    #[arg(short, long, value_name = "COUNT", default_value_t = 20)]
    count: u64,
    /// Accept a network file system. Only safe while one machine alone works in it
    #[arg(long)]
    allow_network: bool,
}

/// One of the two, with its next record.
struct Side {
    consumer: Consumer,
    mark: char,
    next: Option<OwnedRecord>,
    only_here: u64,
}

impl Side {
    fn open(args: &Args, dir: &Path, mark: char) -> Result<Self, CliError> {
        let options = ConsumerOptions::new().start(args.from).allow_network(args.allow_network);
        let consumer = topics::choose(options, &args.topics).open(dir)?;
        let mut side = Self { consumer, mark, next: None, only_here: 0 };
        side.advance()?;
        Ok(side)
    }

    fn advance(&mut self) -> Result<(), CliError> {
        self.next = self.consumer.try_next()?.map(|record| record.to_owned());
        Ok(())
    }
}

/// Goes through both.
pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    let (mut a, mut b) = (Side::open(args, &args.a, '<')?, Side::open(args, &args.b, '>')?);
    let mut out = Printable::new(BufWriter::new(Waiting::stdout()?));
    let _working = at_work();
    let (mut same, mut left) = (0_u64, args.count);
    let compared = loop {
        if let Err(interrupt) = check_interrupt() {
            break Err(interrupt);
        }
        let (take_a, take_b) = match (&a.next, &b.next) {
            (None, None) => break Ok(()),
            (Some(_), None) => (true, false),
            (None, Some(_)) => (false, true),
            (Some(first), Some(second)) if args.are_same(first, second) => {
                same += 1;
                a.advance()?;
                b.advance()?;
                continue;
            }
            (Some(_), Some(_)) if args.content => (true, true),
            (Some(first), Some(second)) => match first.offset.cmp(&second.offset) {
                Ordering::Less => (true, false),
                Ordering::Greater => (false, true),
                Ordering::Equal => (true, true),
            },
        };
        for side in
            [(take_a, &mut a), (take_b, &mut b)].into_iter().filter_map(|(t, s)| t.then_some(s))
        {
            if let Some(record) = side.next.as_ref().filter(|_| left > 0) {
                writeln!(out, "{} {}", side.mark, describe(record))?;
            }
            side.only_here += 1;
            side.advance()?;
        }
        left = left.saturating_sub(1);
    };
    out.flush()?;
    compared?;
    if a.only_here + b.only_here == 0 {
        message(format_args!("no difference in {same} records"));
        return Ok(ExitCode::SUCCESS);
    }
    message(format_args!(
        "{same} records are the same; {} of {} and {} of {} are not",
        a.only_here,
        args.a.display(),
        b.only_here,
        args.b.display()
    ));
    Ok(ExitCode::from(exit::DIFFERENT))
}

impl Args {
    fn are_same(&self, a: &OwnedRecord, b: &OwnedRecord) -> bool {
        let place = |record: &OwnedRecord| (record.offset, record.timestamp_ms);
        (self.content || place(a) == place(b))
            && (&a.topic, &a.key, &a.value, &a.headers) == (&b.topic, &b.key, &b.value, &b.headers)
    }
}

/// A record in one line, its value cut short.
fn describe(record: &OwnedRecord) -> String {
    const MOST_BYTES: usize = 60;
    let key = record.key.as_ref().map_or_else(String::new, |key| format!(" key {}", shown(key)));
    let value = match record.value.as_deref() {
        None => "(delete marker)".to_owned(),
        Some(value) => match value.get(..MOST_BYTES) {
            Some(front) => format!("{}... ({} bytes)", shown(front), value.len()),
            None => shown(value),
        },
    };
    let time = format_time(record.timestamp_ms);
    format!("{} {time} {}{key}: {value}", record.offset, shown(&record.topic))
}
