//! The listener: who may come.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::connection;
use super::frame::pieces;
use crate::api::Gateway;

/// How long it rests where the system has no more descriptors.
const REST: Duration = Duration::from_millis(100);
/// How long connections may take to end.
const GRACE: Duration = Duration::from_secs(5);
/// How often transactions are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Listens at an address.
///
/// # Errors
/// What the system says.
pub fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

/// Serves all who come until `stop` becomes true; then lets each have the answer to what it has
/// asked already.
pub async fn serve(gateway: Arc<Gateway>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let memory = Arc::new(Semaphore::new(pieces(gateway.limits.request_memory)));
    let mut running = JoinSet::new();
    let clock = Arc::clone(&gateway);
    let groups = tokio::spawn(async move { clock.groups.run().await });
    let clock = Arc::clone(&gateway);
    let transactions = tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK).await;
            clock.transactions.expire();
        }
    });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = running.join_next(), if !running.is_empty() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        gateway.metrics.accepted.fetch_add(1, Ordering::Relaxed);
        if running.len() >= gateway.limits.connections {
            gateway.metrics.refused.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%from, "too many connections");
            continue;
        }
        // Answers are small and waited for.
        let _ = stream.set_nodelay(true);
        let (gateway, memory, mut stop) = (Arc::clone(&gateway), Arc::clone(&memory), stop.clone());
        running.spawn(async move {
            gateway.metrics.connections.fetch_add(1, Ordering::Relaxed);
            let host = from.ip().to_string();
            let ended = connection::run(&gateway, &memory, &mut stop, stream, host).await;
            gateway.metrics.connections.fetch_sub(1, Ordering::Relaxed);
            if let Err(why) = ended {
                gateway.metrics.refused.fetch_add(1, Ordering::Relaxed);
                tracing::info!(%from, %why, "a connection was ended");
            }
        });
    }
    drop(listener);
    let all = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all).await.is_err() {
        tracing::warn!("some connections were cut off");
    }
    running.shutdown().await;
    groups.abort();
    transactions.abort();
}
