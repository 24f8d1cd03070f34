//! `puro serve`: a stream, or several, for clients of Kafka.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use puro_kafka::api::Gateway;
use puro_kafka::limits::Limits;
use puro_kafka::net::{listen, scrape, serve};
use puro_kafka::store::Store;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// A mistake in the call, as of all commands of Puro.
const USAGE: u8 = 64;
/// The system refused.
const SYSTEM: u8 = 74;

/// Serves streams to clients that speak Kafka: `bootstrap.servers` is all that they need.
///
/// The first DIR is served at the address of --listen, each further one a port above the one before:
/// so the names of topics are the same as in production.
#[derive(Parser)]
#[command(name = "puro serve", version, max_term_width = 100)]
struct Args {
    /// The streams; one that is missing is made.
    #[arg(value_name = "DIR", required = true)]
    dirs: Vec<PathBuf>,
    /// Where to listen. Port 0 takes any that is free.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9092")]
    listen: SocketAddr,
    /// Where clients are told to connect, if that is not the address of --listen.
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// Listen beyond this machine, though anybody who reaches the port may read and write.
    #[arg(long)]
    insecure: bool,
    /// acks=all is answered only once the records are on the disk, as if the stream's setting
    /// `durable` said so.
    #[arg(long)]
    durable: bool,
    /// Where to answer GET /metrics and GET /health.
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Connections at a time.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    connections: usize,
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Nobody to tell where the stream is closed.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let filter = EnvFilter::try_from_env("PURO_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .init();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            eprintln!("puro serve: {message}");
            ExitCode::from(code)
        }
    }
}

type Stopped = (u8, String);

fn run(args: &Args) -> Result<(), Stopped> {
    check(args)?;
    // Each connection has a descriptor: as many as the system lets this process have.
    if let Ok((_, most)) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
    {
        let _ =
            nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, most, most);
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(32).build();
    let runtime = runtime.map_err(|error| (SYSTEM, error.to_string()))?;
    runtime.block_on(serve_all(args))
}

fn check(args: &Args) -> Result<(), Stopped> {
    let beyond = |at: &SocketAddr| !at.ip().is_loopback();
    if !args.insecure && (beyond(&args.listen) || args.http.as_ref().is_some_and(beyond)) {
        let at = args.listen;
        let message = format!(
            "whoever reaches {at} could read and write everything: there is no password and no \
             encryption here yet. Listen at 127.0.0.1, and let a tunnel lead there, or say --insecure"
        );
        return Err((USAGE, message));
    }
    if args.dirs.len() > 1 && (args.listen.port() == 0 || args.advertise.is_some()) {
        let message = "several streams have ports that follow each other: give --listen a port, and \
                       no --advertise";
        return Err((USAGE, message.to_owned()));
    }
    Ok(())
}

async fn serve_all(args: &Args) -> Result<(), Stopped> {
    let (stop, stopped) = watch::channel(false);
    let mut gateways = Vec::new();
    let mut serving = Vec::new();
    for (above, dir) in (0_u16..).zip(&args.dirs) {
        let failed =
            |error: &dyn ToString| (SYSTEM, format!("{}: {}", dir.display(), error.to_string()));
        let store = Store::open(dir, args.durable).map_err(|error| failed(&error))?;
        let mut at = args.listen;
        at.set_port(at.port().checked_add(above).ok_or((USAGE, "no such port".to_owned()))?);
        let listener =
            listen(at).map_err(|error| (SYSTEM, format!("cannot listen at {at}: {error}")))?;
        let at = listener.local_addr().map_err(|error| failed(&error))?;
        let limits = Limits { connections: args.connections, ..Limits::default() };
        let advertised = advertised(args, at)?;
        let gateway = Arc::new(Gateway::new(store, limits, advertised.clone()));
        tracing::info!(dir = %dir.display(), %at, advertised = format!("{}:{}", advertised.0, advertised.1), "serving");
        // For who starts it and wants to know where.
        println!("{at} {}", dir.display());
        serving.push(tokio::spawn(serve(Arc::clone(&gateway), listener, stopped.clone())));
        gateways.push(gateway);
    }
    let scraped = match args.http {
        Some(at) => {
            let listener =
                listen(at).map_err(|error| (SYSTEM, format!("cannot listen at {at}: {error}")))?;
            Some(tokio::spawn(scrape(gateways.clone(), listener)))
        }
        None => None,
    };
    wait_for_the_end().await;
    tracing::info!("ending");
    let _ = stop.send(true);
    for serving in serving {
        let _ = serving.await;
    }
    if let Some(scraped) = scraped {
        scraped.abort();
        let _ = scraped.await;
    }
    for gateway in gateways {
        if let Some(store) = Arc::into_inner(gateway).and_then(|it| Arc::into_inner(it.store)) {
            let _ = tokio::task::spawn_blocking(move || store.close()).await;
        }
    }
    Ok(())
}

fn advertised(args: &Args, at: SocketAddr) -> Result<(String, u16), Stopped> {
    let Some(advertise) = &args.advertise else {
        let any = at.ip().is_unspecified();
        let host = if any { "127.0.0.1".to_owned() } else { at.ip().to_string() };
        if any {
            tracing::warn!("clients on other machines need --advertise HOST:PORT");
        }
        return Ok((host, at.port()));
    };
    let parsed =
        advertise.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match parsed {
        Some((host, port)) if !host.is_empty() => {
            Ok((host.trim_matches(['[', ']']).to_owned(), port))
        }
        _ => Err((USAGE, format!("--advertise {advertise}: not HOST:PORT"))),
    }
}

/// Ctrl-C, or what a service manager sends.
async fn wait_for_the_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
