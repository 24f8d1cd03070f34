//! Fetch: blocks become batches, and who finds nothing waits until something comes.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{
    FetchResponse, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};
use tokio::time::{Instant, timeout_at};

use super::{Gateway, Session};
use crate::code::{self, Code};
use crate::limits::MAX_FETCH_BYTES;
use crate::metrics::count;
use crate::store::read_code;

/// The longest that a client may wait.
const LONGEST: Duration = Duration::from_secs(60);

/// A partition that is asked for, and what was read of it.
struct Wanted {
    topic: TopicName,
    index: i32,
    from: u64,
    limit: usize,
    code: Code,
    batches: Vec<u8>,
}

pub(super) async fn answer(
    gateway: &Gateway,
    session: &mut Session,
    version: i16,
    request: FetchRequest,
) -> FetchResponse {
    let wait = Duration::from_millis(request.max_wait_ms.max(0).unsigned_abs().into());
    let until = Instant::now() + wait.min(LONGEST);
    let at_least = usize::try_from(request.min_bytes).unwrap_or(0);
    let limit = usize::try_from(request.max_bytes).unwrap_or(0).min(MAX_FETCH_BYTES);
    let mut wanted = wanted(gateway, request);
    let mut changes = gateway.store.marks().watch();
    loop {
        // First look, then wait: what comes meanwhile is noticed.
        changes.mark_unchanged();
        if wanted.iter().any(|it| has_more(gateway, it)) {
            wanted = read(gateway, session, wanted, limit).await;
        }
        let bytes: usize = wanted.iter().map(|it| it.batches.len()).sum();
        let failed = wanted.iter().any(|it| it.code != code::NONE);
        if failed || wanted.is_empty() || bytes >= at_least.min(limit).max(1) || at_least == 0 {
            break;
        }
        if !matches!(timeout_at(until, changes.changed()).await, Ok(Ok(()))) {
            break;
        }
    }
    respond(gateway, version, wanted)
}

fn wanted(gateway: &Gateway, request: FetchRequest) -> Vec<Wanted> {
    let marks = gateway.store.marks();
    let mut wanted = Vec::new();
    for topic in request.topics {
        for partition in topic.partitions {
            let name = topic.topic.as_str();
            // Up to the stream's end: a position may have been set there.
            let allowed = marks.whole_from(name)..=marks.bounds(name).1.max(marks.end());
            let from = u64::try_from(partition.fetch_offset).ok();
            let code = match from {
                _ if partition.partition != 0 => code::UNKNOWN_TOPIC_OR_PARTITION,
                Some(from) if allowed.contains(&from) => code::NONE,
                _ => code::OFFSET_OUT_OF_RANGE,
            };
            wanted.push(Wanted {
                topic: topic.topic.clone(),
                index: partition.partition,
                from: from.unwrap_or(0),
                limit: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
                code,
                batches: Vec::new(),
            });
        }
    }
    wanted
}

fn has_more(gateway: &Gateway, wanted: &Wanted) -> bool {
    let next = gateway.store.marks().bounds(wanted.topic.as_str()).1;
    wanted.code == code::NONE && wanted.from < next && wanted.batches.len() < wanted.limit.max(1)
}

/// Reads what there is, beside the threads that serve connections.
async fn read(
    gateway: &Gateway,
    session: &mut Session,
    mut wanted: Vec<Wanted>,
    limit: usize,
) -> Vec<Wanted> {
    let Ok(_turn) = gateway.reads.acquire().await else { return wanted };
    let mut readers = session.readers.take().unwrap_or_default();
    let store = std::sync::Arc::clone(&gateway.store);
    let topics: Vec<TopicName> = wanted.iter().map(|it| it.topic.clone()).collect();
    let reading = tokio::task::spawn_blocking(move || {
        let mut left = limit;
        let mut nothing = wanted.iter().all(|it| it.batches.is_empty());
        for it in wanted.iter_mut().filter(|it| it.code == code::NONE) {
            if it.from >= store.marks().bounds(it.topic.as_str()).1 {
                continue;
            }
            let room = left.min(it.limit.saturating_sub(it.batches.len()));
            let place = (it.topic.as_str(), it.from);
            match readers.read(store.stream(), store.marks(), place, room, nothing) {
                Ok(portion) => {
                    left = left.saturating_sub(portion.batches.len());
                    nothing &= portion.batches.is_empty();
                    it.batches.extend_from_slice(&portion.batches);
                    it.from = portion.next;
                }
                Err(error) => {
                    tracing::warn!(topic = it.topic.as_str(), %error, "cannot be read");
                    it.code = read_code(&error);
                }
            }
        }
        (readers, wanted)
    });
    match reading.await {
        Ok((readers, wanted)) => {
            session.readers = Some(readers);
            wanted
        }
        Err(error) => {
            tracing::error!(%error, "reading ended");
            let code = code::STORAGE_ERROR;
            let failed =
                |topic| Wanted { topic, index: 0, from: 0, limit: 0, code, batches: vec![] };
            topics.into_iter().map(failed).collect()
        }
    }
}

fn respond(gateway: &Gateway, version: i16, wanted: Vec<Wanted>) -> FetchResponse {
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    for it in wanted {
        count(&gateway.metrics.bytes_out, it.batches.len() as u64);
        let marks = gateway.store.marks();
        let (start, next) = (marks.whole_from(&it.topic), marks.bounds(&it.topic).1);
        // What was read is below the watermark, though another process appended it just now.
        let next = next.max(if it.batches.is_empty() { 0 } else { it.from }).cast_signed();
        let mut partition = PartitionData::default()
            .with_partition_index(it.index)
            .with_error_code(it.code)
            .with_high_watermark(next)
            .with_last_stable_offset(next)
            .with_records(Some(Bytes::from(it.batches)));
        if version >= 5 {
            partition = partition.with_log_start_offset(start.cast_signed());
        }
        if version >= 11 {
            partition = partition.with_preferred_read_replica(BrokerId(-1));
        }
        match responses.last_mut().filter(|last| last.topic == it.topic) {
            Some(last) => last.partitions.push(partition),
            None => {
                let topic = FetchableTopicResponse::default().with_topic(it.topic);
                responses.push(topic.with_partitions(vec![partition]));
            }
        }
    }
    FetchResponse::default().with_responses(responses)
}
