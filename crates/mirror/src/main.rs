//! `puro mirror`: copies a stream into another, or into a cluster and out of it, and goes on copying, exactly
//! once (protocol.md, chapter 13; `PROTOCOL.md` beside this tells it from the user's side).

#[cfg(any(feature = "kafka", feature = "nats"))]
mod cluster;
mod copy;
mod interrupt;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod place;
mod stream;
mod target;
mod trouble;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::place::{Origin, Place};
use crate::trouble::Trouble;

/// Copies a stream into another one, or into Kafka or NATS, or a Kafka cluster's topics into a stream, and goes
/// on copying: each block once, whole, in order.
///
/// May be killed and started again at any time: how far it came stands in the target, in the same
/// block or transaction as the records.
#[derive(Parser)]
#[command(name = "puro mirror", version, max_term_width = 100)]
struct Args {
    /// The stream to be copied; with `--from kafka://HOST:PORT` the stream to copy into.
    #[arg(value_name = "DIR")]
    source: PathBuf,
    /// The stream to copy it into; made if it is missing, with the settings of the source.
    #[arg(value_name = "TARGET")]
    target: Option<PathBuf>,
    /// The cluster to copy it into: `kafka://HOST:PORT`, or several, with commas between. Or
    /// `nats://HOST:PORT/PREFIX`: into the JetStream stream PREFIX, `puro` if not said.
    #[arg(long, value_name = "URL", conflicts_with = "target")]
    to: Option<String>,
    /// An option for the cluster's client, as librdkafka names it: TLS, SASL and the like. For NATS
    /// user, password, token, creds, tlsca, tlscert, tlskey, and replicas. May be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    client: Vec<String>,
    /// Only topics that fit a pattern, as for `puro consume -t`: `*` is any bytes, `?` is one. May be
    /// given several times.
    #[arg(long, value_name = "PATTERN")]
    topics: Vec<String>,
    /// Where to begin if nothing was copied yet: beginning, end, an offset, or a token. Or a cluster to
    /// copy from, all of it: `kafka://HOST:PORT`.
    #[arg(long, value_name = "PLACE|URL", default_value = "beginning")]
    from: Origin,
    /// Begin at `--from`, though something was copied: what lies between is left out, or copied
    /// again. Out of a cluster: go on at what is there, where the cluster has lost its place.
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
    let copied = match &args.from {
        Origin::Place(place) => copy_out(args, *place)?,
        Origin::Cluster(servers) => copy_in(args, servers)?,
    };
    eprintln!("puro mirror: {copied}");
    if interrupt::asked() { Err(Trouble::interrupted()) } else { Ok(()) }
}

fn copy_out(args: &Args, from: Place) -> Result<String, Trouble> {
    let order = copy::Order {
        source: &args.source,
        topics: &args.topics,
        from,
        reset: args.reset,
        once: args.once,
        durable: !args.not_durable,
    };
    let mut target = open_target(args)?;
    let (copied, end) = copy::mirror(&order, target.as_mut())?;
    Ok(format!("{copied}, up to {end}"))
}

fn open_target(args: &Args) -> Result<Box<dyn target::Target>, Trouble> {
    let Some(url) = &args.to else {
        let Some(dir) = &args.target else {
            return Err(Trouble::usage(
                "into what? Name a second directory, or `--to kafka://HOST:PORT`, or nats://",
            ));
        };
        if !args.client.is_empty() {
            return Err(Trouble::usage("--client is for clusters, and there is none"));
        }
        return Ok(Box::new(stream::StreamTarget::open(&args.source, dir, args.settings)?));
    };
    if args.settings {
        return Err(Trouble::usage(
            "--settings is for streams: topics that are there stay as they are",
        ));
    }
    match (url.strip_prefix(place::KAFKA), url.strip_prefix(place::NATS)) {
        (Some(servers), _) => open_kafka(args, servers),
        (_, Some(place)) => open_nats(args, place),
        _ => Err(Trouble::usage(format_args!(
            "--to is kafka://HOST:PORT or nats://HOST:PORT/PREFIX, not {url}"
        ))),
    }
}

fn copy_in(args: &Args, servers: &str) -> Result<String, Trouble> {
    if args.target.is_some() || args.to.is_some() {
        return Err(Trouble::usage("with `--from kafka://HOST:PORT`, DIR is what is copied into"));
    }
    if args.settings || args.not_durable {
        return Err(Trouble::usage("--settings and --not-durable are for streams as the source"));
    }
    open_cluster(args, servers)
}

#[cfg(feature = "kafka")]
fn open_kafka(args: &Args, servers: &str) -> Result<Box<dyn target::Target>, Trouble> {
    Ok(Box::new(kafka::target::KafkaTarget::open(&args.source, servers, &args.client)?))
}

#[cfg(feature = "kafka")]
fn open_cluster(args: &Args, servers: &str) -> Result<String, Trouble> {
    let Args { source: dir, topics, once, reset, .. } = args;
    let order = kafka::source::Order { dir, topics, once: *once, reset: *reset };
    Ok(kafka::source::copy(&order, servers, &args.client)?.to_string())
}

#[cfg(not(feature = "kafka"))]
const WITHOUT_KAFKA: &str = "this puro-mirror was built without Kafka; from a clone, \
     `cargo install --locked --path crates/mirror --features kafka` builds it in";

#[cfg(not(feature = "kafka"))]
fn open_kafka(_args: &Args, _servers: &str) -> Result<Box<dyn target::Target>, Trouble> {
    Err(Trouble::usage(WITHOUT_KAFKA))
}

#[cfg(not(feature = "kafka"))]
fn open_cluster(_args: &Args, _servers: &str) -> Result<String, Trouble> {
    Err(Trouble::usage(WITHOUT_KAFKA))
}

#[cfg(feature = "nats")]
fn open_nats(args: &Args, place: &str) -> Result<Box<dyn target::Target>, Trouble> {
    Ok(Box::new(nats::target::NatsTarget::open(&args.source, place, &args.client)?))
}

#[cfg(not(feature = "nats"))]
fn open_nats(_args: &Args, _place: &str) -> Result<Box<dyn target::Target>, Trouble> {
    Err(Trouble::usage(
        "this puro-mirror was built without NATS; from a clone, \
         `cargo install --locked --path crates/mirror --features nats` builds it in",
    ))
}
