//! `/metrics` and `/health`, for who watches: an answer to one line, and no more of HTTP.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::api::Gateway;

/// Who asks at a time.
const AT_A_TIME: usize = 16;
/// How long one may take.
const LONGEST: Duration = Duration::from_secs(5);
/// The longest request that is read.
const MOST_BYTES: u64 = 8 << 10;

/// Answers for ever.
pub async fn scrape(gateways: Vec<Arc<Gateway>>, listener: TcpListener) {
    let turns = Arc::new(Semaphore::new(AT_A_TIME));
    loop {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(LONGEST).await;
            continue;
        };
        let gateways = gateways.clone();
        tokio::spawn(async move {
            let _ = timeout(LONGEST, answer(&gateways, stream)).await;
            drop(turn);
        });
    }
}

async fn answer(gateways: &[Arc<Gateway>], mut stream: TcpStream) -> std::io::Result<()> {
    let mut asked = Vec::new();
    while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut limited = (&mut stream).take(MOST_BYTES.saturating_sub(asked.len() as u64));
        if limited.read_buf(&mut asked).await? == 0 {
            break;
        }
    }
    let (status, page) = if asked.starts_with(b"GET /metrics ") {
        ("200 OK", gateways.iter().map(|it| page(it)).collect())
    } else if asked.starts_with(b"GET /health ") {
        ("200 OK", "fine\n".to_owned())
    } else {
        ("404 Not Found", "there is /metrics and /health\n".to_owned())
    };
    let length = page.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}

fn page(gateway: &Gateway) -> String {
    let marks = gateway.store.marks();
    gateway.metrics.page(marks.end(), marks.count(), gateway.groups.names().len())
}
