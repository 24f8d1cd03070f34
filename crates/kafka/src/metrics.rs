//! What the gateway counts, in the form that Prometheus reads.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the gateway began.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections that are open.
    pub connections: AtomicU64,
    /// Connections that were accepted.
    pub accepted: AtomicU64,
    /// Connections that were refused or ended by the gateway.
    pub refused: AtomicU64,
    /// Requests that were answered.
    pub requests: AtomicU64,
    /// Records that were appended.
    pub records_in: AtomicU64,
    /// Bytes of batches that clients sent.
    pub bytes_in: AtomicU64,
    /// Bytes of batches that clients were sent.
    pub bytes_out: AtomicU64,
    /// Batches that were refused.
    pub batches_refused: AtomicU64,
}

/// Counts.
pub fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Metrics {
    /// The page.
    #[must_use]
    pub fn page(&self, end: u64, topics: usize, groups: usize) -> String {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let rows = [
            ("puro_connections", "gauge", "Connections that are open.", of(&self.connections)),
            ("puro_accepted_total", "counter", "Connections accepted.", of(&self.accepted)),
            (
                "puro_refused_total",
                "counter",
                "Connections ended for what they did.",
                of(&self.refused),
            ),
            ("puro_requests_total", "counter", "Requests answered.", of(&self.requests)),
            ("puro_records_in_total", "counter", "Records appended.", of(&self.records_in)),
            ("puro_bytes_in_total", "counter", "Bytes of batches received.", of(&self.bytes_in)),
            ("puro_bytes_out_total", "counter", "Bytes of batches sent.", of(&self.bytes_out)),
            (
                "puro_batches_refused_total",
                "counter",
                "Batches refused.",
                of(&self.batches_refused),
            ),
            ("puro_end_offset", "gauge", "Behind the stream's last record.", end),
            ("puro_topics", "gauge", "Topics known.", u64::try_from(topics).unwrap_or(0)),
            ("puro_groups", "gauge", "Groups known.", u64::try_from(groups).unwrap_or(0)),
        ];
        let mut page = String::new();
        for (name, kind, help, value) in rows {
            let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        }
        page
    }
}
