//! How a server is reached, and the stream of JetStream there.

use std::time::{Duration, Instant};

use async_nats::jetstream::context::CreateStreamError;
use async_nats::jetstream::stream::{Config, Info, RetentionPolicy, Stream};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, jetstream};
use puro::Settings;
use puro::error::Blame;
use tokio::runtime::Runtime;

use super::message::notes_of;
use crate::cluster::{WAIT, cluster, split_options};
use crate::interrupt;
use crate::trouble::Trouble;

/// What topics are below, unless the address says otherwise.
const PREFIX: &str = "puro";

/// Where the server is, and how it is spoken to.
pub struct Server {
    pub runtime: Runtime,
    addresses: Vec<String>,
    /// The name of the stream of JetStream, and what its subjects begin with.
    pub prefix: String,
    options: Options,
}

/// Named as those of the program `nats`.
#[derive(Default)]
struct Options {
    user: Option<String>,
    password: Option<String>,
    token: Option<String>,
    creds: Option<String>,
    tls_ca: Option<String>,
    tls_cert: Option<String>,
    tls_key: Option<String>,
    replicas: usize,
}

impl Options {
    fn parse(given: &[String]) -> Result<Self, Trouble> {
        let mut this = Self { replicas: 1, ..Self::default() };
        for (name, value) in split_options(given)? {
            let value = value.to_owned();
            match name {
                "user" => this.user = Some(value),
                "password" => this.password = Some(value),
                "token" => this.token = Some(value),
                "creds" => this.creds = Some(value),
                "tlsca" => this.tls_ca = Some(value),
                "tlscert" => this.tls_cert = Some(value),
                "tlskey" => this.tls_key = Some(value),
                "replicas" => {
                    let number = value.parse().ok().filter(|number| (1..=5).contains(number));
                    this.replicas = number.ok_or_else(|| {
                        Trouble::usage("--client replicas is a number from 1 to 5")
                    })?;
                }
                _ => {
                    let known = "user, password, token, creds, tlsca, tlscert, tlskey and replicas";
                    return Err(Trouble::usage(format_args!(
                        "--client {name}: for NATS there are {known}"
                    )));
                }
            }
        }
        Ok(this)
    }

    async fn for_client(&self) -> std::io::Result<ConnectOptions> {
        let mut options = ConnectOptions::new().name("puro-mirror");
        if let Some(user) = &self.user {
            let password = self.password.clone().unwrap_or_default();
            options = options.user_and_password(user.clone(), password);
        }
        if let Some(token) = &self.token {
            options = options.token(token.clone());
        }
        if let Some(file) = &self.creds {
            options = options.credentials_file(file).await?;
        }
        if let Some(file) = &self.tls_ca {
            options = options.add_root_certificates(file.into()).require_tls(true);
        }
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            options = options.add_client_certificate(cert.into(), key.into()).require_tls(true);
        }
        Ok(options)
    }
}

impl Server {
    /// `place` is `HOST:PORT`, or several with commas between, and perhaps `/PREFIX`.
    pub fn new(place: &str, options: &[String]) -> Result<Self, Trouble> {
        let (addresses, prefix) = place.split_once('/').unwrap_or((place, PREFIX));
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(1..=100).contains(&prefix.len()) || !prefix.bytes().all(is_allowed) {
            return Err(Trouble::usage(format_args!(
                "nats://HOST:PORT/PREFIX: a prefix has up to 100 letters, digits, `-` and `_`, not {prefix}"
            )));
        }
        let addresses: Vec<_> = addresses.split(',').map(str::to_owned).collect();
        if addresses.iter().any(String::is_empty) {
            return Err(Trouble::usage("nats:// whom?"));
        }
        // One thread beside this one: it answers the server while the source is waited for.
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().map_err(cluster)?;
        let options = Options::parse(options)?;
        Ok(Self { runtime, addresses, prefix: prefix.to_owned(), options })
    }

    /// Connects, and tries again for as long as patience lasts.
    pub fn connect(&self, patience: Duration) -> Result<Client, Trouble> {
        let begun = Instant::now();
        loop {
            let options = self.runtime.block_on(self.options.for_client());
            let options = options.map_err(|why| Trouble::usage(format_args!("--client: {why}")))?;
            let error = match self.runtime.block_on(options.connect(&self.addresses)) {
                Ok(client) => return Ok(client),
                Err(error) => error,
            };
            let to = self.addresses.join(", ");
            match error.kind() {
                ConnectErrorKind::ServerParse => {
                    return Err(Trouble::usage(format_args!("{to} is no HOST:PORT")));
                }
                ConnectErrorKind::Authentication
                | ConnectErrorKind::AuthorizationViolation
                | ConnectErrorKind::Tls => return Err(cluster(format_args!("{to}: {error}"))),
                _ if interrupt::asked() => return Err(Trouble::interrupted()),
                _ if begun.elapsed() >= patience => {
                    return Err(Trouble::unknown(format_args!(
                        "cluster: no answer from {to}: {error}"
                    )));
                }
                _ => interrupt::wait(WAIT),
            }
        }
    }

    /// The stream of JetStream; made as the settings say, unless it is there. What cannot be kept is refused.
    pub fn make_stream(&self, client: &Client, of: &Settings) -> Result<Stream, Trouble> {
        let made =
            async { jetstream::new(client.clone()).get_or_create_stream(self.config(of)).await };
        let made = self.runtime.block_on(made);
        let stream = made.map_err(|error| self.unmade(&error))?;
        self.refuse_unfit(stream.cached_info())?;
        Ok(stream)
    }

    fn config(&self, of: &Settings) -> Config {
        // A stream of JetStream forgets all of its topics in the same way, and knows no keys.
        let forgets = !of.compacts();
        let max_bytes = of.retention_bytes.filter(|_| forgets);
        Config {
            name: self.prefix.clone(),
            subjects: vec![format!("{}.>", self.prefix), notes_of(&self.prefix, None)],
            description: Some("made by puro mirror".to_owned()),
            max_age: of.retention.filter(|_| forgets).unwrap_or_default(),
            max_bytes: max_bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or(-1),
            num_replicas: self.options.replicas,
            allow_atomic_publish: true,
            allow_rollup: true,
            allow_message_ttl: true,
            ..Config::default()
        }
    }

    fn unmade(&self, error: &CreateStreamError) -> Trouble {
        use async_nats::jetstream::context::CreateStreamErrorKind::{
            JetStream, JetStreamUnavailable, Response, TimedOut,
        };
        let how = format!("cluster: stream {} of JetStream cannot be had: {error}", self.prefix);
        match error.kind() {
            TimedOut | Response | JetStreamUnavailable => Trouble::unknown(how),
            JetStream(why) if why.code() >= 500 => Trouble::unknown(how),
            _ => Trouble::new(Blame::Environment, how),
        }
    }

    fn refuse_unfit(&self, info: &Info) -> Result<(), Trouble> {
        let config = &info.config;
        let subjects = [format!("{}.>", self.prefix), notes_of(&self.prefix, None)];
        let is_old = !config.allow_atomic_publish;
        let lacks = if is_old {
            "allow_atomic, which NATS has from 2.12 on"
        } else if !config.allow_rollup {
            "allow_rollup_hdrs"
        } else if !config.max_age.is_zero() && !config.allow_message_ttl {
            "allow_msg_ttl, without which its max_age would delete how far the mirror is"
        } else if config.retention != RetentionPolicy::Limits {
            "retention by limits, without which it would forget how far the mirror is"
        } else if config.no_ack {
            "acknowledgements (no_ack is set)"
        } else if !subjects.iter().all(|subject| config.subjects.contains(subject)) {
            &format!("the subjects {} and {}", subjects[0], subjects[1])
        } else {
            return Ok(());
        };
        let name = &self.prefix;
        let way_out =
            "change it there, or mirror below another prefix, as in nats://HOST:PORT/PREFIX";
        Err(cluster(format_args!("stream {name} of JetStream lacks {lacks}; {way_out}")))
    }
}
