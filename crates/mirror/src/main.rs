//! `puro mirror`: copies a stream into another, and goes on copying, exactly once (protocol.md,
//! chapter 13; `PROTOCOL.md` beside this tells it from the user's side).

mod copy;
mod interrupt;
#[cfg(feature = "kafka")]
mod kafka;
mod place;
mod stream;
mod target;
mod trouble;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::place::Place;
use crate::trouble::Trouble;

/// Copies a stream into another one, and goes on copying: each block once, whole, in order.
///
/// May be killed and started again at any time: how far it came stands in the target, in the same
/// block as the records.
#[derive(Parser)]
#[command(name = "puro mirror", version, max_term_width = 100)]
struct Args {
    /// The stream to be copied.
    source: PathBuf,
    /// The stream to copy it into; made if it is missing, with the settings of the source.
    #[arg(required_unless_present = "to", conflicts_with = "to")]
    target: Option<PathBuf>,
    /// The cluster to copy it into: `kafka://HOST:PORT`.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// An option for the cluster's client, as librdkafka names it: TLS, SASL and the like. May be
    /// given several times.
    #[arg(long, value_name = "NAME=VALUE", requires = "to")]
    client: Vec<String>,
    /// Only topics that fit a pattern, as for `puro consume -t`: `*` is any bytes, `?` is one. May be
    /// given several times.
    #[arg(long, value_name = "PATTERN")]
    topics: Vec<String>,
    /// Where to begin if nothing was copied yet: beginning, end, an offset, or a token.
    #[arg(long, value_name = "PLACE", default_value = "beginning")]
    from: Place,
    /// Begin at `--from`, though something was copied: what lies between is left out, or copied
    /// again.
    #[arg(long)]
    reset: bool,
    /// End where the source ends, rather than wait for more.
    #[arg(long)]
    once: bool,
    /// Carry the settings of the source at this start, too, and not only at the very first.
    #[arg(long)]
    settings: bool,
    /// Copy what power could still take back at the source. It is faster; but if power does, this
    /// target is refused from then on.
    #[arg(long)]
    not_durable: bool,
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Nobody to tell where the stream is closed.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { trouble::USAGE } else { 0 });
        }
    };
    interrupt::watch();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => trouble.report(),
    }
}

fn run(args: &Args) -> Result<(), Trouble> {
    let order = copy::Order {
        source: &args.source,
        topics: &args.topics,
        from: args.from,
        reset: args.reset,
        once: args.once,
        durable: !args.not_durable,
    };
    let mut target = open_target(args)?;
    let (copied, end) = copy::mirror(&order, target.as_mut())?;
    let copy::Copied { blocks, records } = copied;
    eprintln!("puro mirror: {records} records in {blocks} blocks copied, up to {end}");
    if interrupt::asked() { Err(Trouble::interrupted()) } else { Ok(()) }
}

fn open_target(args: &Args) -> Result<Box<dyn target::Target>, Trouble> {
    if let Some(dir) = &args.target {
        return Ok(Box::new(stream::StreamTarget::open(&args.source, dir, args.settings)?));
    }
    let url = args.to.as_deref().unwrap_or_default();
    match url.strip_prefix("kafka://") {
        Some(servers) => open_kafka(args, servers),
        None => Err(Trouble::usage(format_args!("--to is kafka://HOST:PORT, not {url}"))),
    }
}

#[cfg(feature = "kafka")]
fn open_kafka(args: &Args, servers: &str) -> Result<Box<dyn target::Target>, Trouble> {
    Ok(Box::new(kafka::KafkaTarget::open(&args.source, servers, &args.client)?))
}

#[cfg(not(feature = "kafka"))]
fn open_kafka(_args: &Args, _servers: &str) -> Result<Box<dyn target::Target>, Trouble> {
    let how = "this puro-mirror was built without Kafka; from a clone, \
               `cargo install --locked --path crates/mirror --features kafka` builds it in";
    Err(Trouble::usage(how))
}
