//! Where a topic begins and ends, and where it was at some time.

use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{ListOffsetsRequest, OffsetForLeaderEpochRequest};
use puro::{Diverged, ReadError, Start};

use super::Gateway;
use crate::code::{self, Code};
use crate::store::{Store, read_code};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const NEWEST: i64 = -3;

/// An offset and the time of its record; -1 where there is none.
type Found = (i64, i64);

pub(super) async fn list(gateway: &Gateway, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let mut topics = Vec::new();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for asked in topic.partitions {
            let found = match asked.partition_index {
                0 => find(gateway, topic.name.as_str(), asked.timestamp).await,
                _ => Err(code::UNKNOWN_TOPIC_OR_PARTITION),
            };
            let (offset, timestamp) = found.unwrap_or((-1, -1));
            partitions.push(
                ListOffsetsPartitionResponse::default()
                    .with_partition_index(asked.partition_index)
                    .with_error_code(found.err().unwrap_or(code::NONE))
                    .with_timestamp(timestamp)
                    .with_offset(offset),
            );
        }
        let response = ListOffsetsTopicResponse::default().with_name(topic.name);
        topics.push(response.with_partitions(partitions));
    }
    ListOffsetsResponse::default().with_topics(topics)
}

async fn find(gateway: &Gateway, topic: &str, timestamp: i64) -> Result<Found, Code> {
    let marks = gateway.store.marks();
    let (start, next) = marks.bounds(topic);
    match timestamp {
        LATEST => return Ok((next.cast_signed(), -1)),
        EARLIEST => return Ok((start.cast_signed(), -1)),
        NEWEST => {
            let found = marks.mark(topic).filter(|_| start < next);
            let last = |mark: crate::store::Mark| {
                ((mark.next - 1).cast_signed(), mark.last_ms.cast_signed())
            };
            return Ok(found.map_or((-1, -1), last));
        }
        _ => {}
    }
    let time = u64::try_from(timestamp).map_err(|_| code::INVALID_REQUEST)?;
    let Ok(_turn) = gateway.reads.acquire().await else { return Err(code::STORAGE_ERROR) };
    let (store, topic) = (std::sync::Arc::clone(&gateway.store), topic.to_owned());
    let looked = tokio::task::spawn_blocking(move || at_time(&store, &topic, time)).await;
    looked.unwrap_or(Err(code::STORAGE_ERROR))
}

fn at_time(store: &Store, topic: &str, time: u64) -> Result<Found, Code> {
    let consumer = store.stream().consumer_with(|it| it.topic(topic).start(Start::Time(time)));
    let mut consumer = consumer.map_err(|error| read_code(&error))?;
    let found = consumer.try_next().map_err(|error| read_code(&error))?;
    let place =
        found.map(|record| (record.offset.cast_signed(), record.timestamp_ms.cast_signed()));
    Ok(place.unwrap_or((-1, -1)))
}

/// Where an epoch ends: a client that is beyond that has read what is not there any more.
pub(super) async fn of_epoch(
    gateway: &Gateway,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let mut topics = Vec::new();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for asked in topic.partitions {
            let end = match asked.partition {
                0 => end_of_epoch(gateway, topic.topic.as_str(), asked.leader_epoch).await,
                _ => Err(code::UNKNOWN_TOPIC_OR_PARTITION),
            };
            partitions.push(
                EpochEndOffset::default()
                    .with_partition(asked.partition)
                    .with_error_code(end.err().unwrap_or(code::NONE))
                    .with_leader_epoch(asked.leader_epoch)
                    .with_end_offset(end.unwrap_or(-1)),
            );
        }
        let response = OffsetForLeaderTopicResult::default().with_topic(topic.topic);
        topics.push(response.with_partitions(partitions));
    }
    OffsetForLeaderEpochResponse::default().with_topics(topics)
}

async fn end_of_epoch(gateway: &Gateway, topic: &str, epoch: i32) -> Result<i64, Code> {
    let next = gateway.store.marks().bounds(topic).1.cast_signed();
    let Ok(epoch) = u32::try_from(epoch) else { return Ok(next) };
    let Ok(_turn) = gateway.reads.acquire().await else { return Err(code::STORAGE_ERROR) };
    let store = std::sync::Arc::clone(&gateway.store);
    let looked = tokio::task::spawn_blocking(move || {
        let mut token = store.stream().end().map_err(|_| code::STORAGE_ERROR)?;
        token.epoch = epoch;
        // A place that no history of this epoch has, if a later one began before it.
        match store.stream().consumer_with(|it| it.start(Start::Token(token))) {
            Err(ReadError::Diverged(Diverged::Lost { end, .. })) => Ok(Some(end.cast_signed())),
            Ok(_) => Ok(None),
            Err(error) => Err(read_code(&error)),
        }
    });
    let end = looked.await.unwrap_or(Err(code::STORAGE_ERROR))?;
    Ok(end.unwrap_or(next))
}
