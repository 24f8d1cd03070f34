//! Produce: a batch of a client becomes a block.

use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use puro::{Appended, Batch};

use super::{Gateway, text};
use crate::batch::decode;
use crate::code::{self, Code};
use crate::limits::MAX_BATCH_BYTES;
use crate::metrics::count;
use crate::store::{Append, Idempotent, identity, is_legal_topic, push_records};
use crate::transaction::Who;

/// How a request asks to append.
struct How<'a> {
    transactional_id: Option<&'a str>,
    acks: i16,
}

/// What came of a batch.
enum Done {
    Appended(Appended),
    /// It waits for the end of its transaction.
    Kept,
}

pub(super) async fn answer(gateway: &Gateway, request: ProduceRequest) -> ProduceResponse {
    let transactional_id = request.transactional_id.as_ref().map(|id| id.0.as_str());
    let how = How { transactional_id, acks: request.acks };
    let mut responses = Vec::new();
    for TopicProduceData { name, partition_data, .. } in request.topic_data {
        let mut partitions = Vec::new();
        for PartitionProduceData { index, records, .. } in partition_data {
            let done = append(gateway, &how, name.as_str(), index, records).await;
            if let Err(code) = done {
                count(&gateway.metrics.batches_refused, 1);
                tracing::debug!(topic = name.as_str(), index, code, "a batch was refused");
            }
            partitions.push(partition(gateway, name.as_str(), index, done));
        }
        let topic = TopicProduceResponse::default().with_name(name);
        responses.push(topic.with_partition_responses(partitions));
    }
    ProduceResponse::default().with_responses(responses)
}

fn partition(
    gateway: &Gateway,
    topic: &str,
    index: i32,
    done: Result<Done, Code>,
) -> PartitionProduceResponse {
    let start = gateway.store.marks().bounds(topic).0;
    let response = PartitionProduceResponse::default()
        .with_index(index)
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(start.cast_signed());
    match done {
        Ok(Done::Kept) => response,
        Ok(Done::Appended(appended)) => response
            .with_base_offset(appended.first_offset.cast_signed())
            .with_log_append_time_ms(appended.timestamp_ms.cast_signed()),
        Err(code) => response.with_error_code(code).with_error_message(why(code).map(text)),
    }
}

/// What a client's code alone does not say.
fn why(code: Code) -> Option<&'static str> {
    Some(match code {
        code::INVALID_RECORD => {
            "Puro takes no record without key and value, no header without a name, and one batch \
             for a partition at a time"
        }
        code::MESSAGE_TOO_LARGE => {
            "Puro takes keys of 1,024 bytes, headers of 64 KiB, values of 10 MiB, and 16 MiB at once"
        }
        code::UNKNOWN_TOPIC_OR_PARTITION => "a topic has one partition here, 0",
        code::INVALID_TOPIC => "a topic has up to 150 letters, digits, `.`, `_` and `-` here",
        _ => return None,
    })
}

async fn append(
    gateway: &Gateway,
    how: &How<'_>,
    topic: &str,
    index: i32,
    records: Option<Bytes>,
) -> Result<Done, Code> {
    if !is_legal_topic(topic) {
        return Err(code::INVALID_TOPIC);
    }
    if index != 0 {
        return Err(code::UNKNOWN_TOPIC_OR_PARTITION);
    }
    if !(-1..=1).contains(&how.acks) {
        return Err(code::INVALID_REQUEST);
    }
    let records = records.ok_or(code::INVALID_RECORD)?;
    let _turn = gateway.appends.acquire().await.map_err(|_| code::STORAGE_ERROR)?;
    count(&gateway.metrics.bytes_in, records.len() as u64);
    let appending = {
        let decoded = decode(&records, MAX_BATCH_BYTES).map_err(|error| {
            tracing::info!(topic, %error, "a batch was refused");
            error.code()
        })?;
        let header = decoded.header;
        if let Some(id) = how.transactional_id.filter(|_| header.transactional) {
            let (producer_id, epoch) = (header.producer_id, header.producer_epoch);
            gateway.transactions.keep(Who { id, producer_id, epoch }, topic, &decoded)?;
            return Ok(Done::Kept);
        }
        if header.transactional {
            return Err(code::INVALID_TXN_STATE);
        }
        let mut batch = Batch::new();
        push_records(&mut batch, topic, &decoded)?;
        let count = header.count.max(0).unsigned_abs();
        let (epoch, base) = (header.producer_epoch, header.base_sequence);
        let idempotent = (header.producer_id >= 0)
            .then(|| (identity(header.producer_id, topic), Idempotent { epoch, base, count }));
        let topics = vec![(topic.to_owned(), count)];
        // With acks=1 a leader has it, and with 0 nobody waits: neither waits for a disk.
        let waits_for_disk = how.acks == -1;
        Append { batch, topics, idempotent, waits_for_disk, ..Append::default() }
    };
    let records = appending.batch.len() as u64;
    let appended = gateway.store.writer().append(appending).await.map_err(|error| {
        tracing::warn!(topic, %error, "not appended");
        error.code()
    })?;
    if !appended.duplicate {
        count(&gateway.metrics.records_in, records);
    }
    Ok(Done::Appended(appended))
}
