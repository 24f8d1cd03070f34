//! How far groups have come: named positions in the stream.

use std::collections::BTreeMap;

use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetFetchRequest, TopicName};
use puro::Position;

use super::{Gateway, text};
use crate::code::{self, Code};
use crate::store::{Append, parse_position, position};

/// The name of a position, and where it is to be.
pub(super) fn place(
    gateway: &Gateway,
    (group, topic): (&str, &str),
    partition: i32,
    offset: i64,
) -> Result<(String, u64), Code> {
    if partition != 0 {
        return Err(code::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let offset = u64::try_from(offset).map_err(|_| code::OFFSET_OUT_OF_RANGE)?;
    if offset > gateway.store.marks().end() {
        return Err(code::OFFSET_OUT_OF_RANGE);
    }
    let name = position(group, topic).ok_or(code::INVALID_GROUP_ID)?;
    Ok((name, offset))
}

pub(super) async fn commit(
    gateway: &Gateway,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let group = request.group_id.as_str();
    let instance = request.group_instance_id.as_ref().map(|id| id.as_str());
    let who = (request.member_id.as_str(), instance, request.generation_id_or_member_epoch);
    let refused = match gateway.groups.may_commit(group, who) {
        code::NONE => None,
        code => Some(code),
    };
    let mut positions = Vec::new();
    let mut topics = Vec::new();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for asked in topic.partitions {
            let places = (group, topic.name.as_str());
            let place = place(gateway, places, asked.partition_index, asked.committed_offset);
            let place = refused.map_or(place, Err);
            let response = OffsetCommitResponsePartition::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(place.as_ref().err().copied().unwrap_or(code::NONE));
            positions.extend(place.ok());
            partitions.push(response);
        }
        let response = OffsetCommitResponseTopic::default().with_name(topic.name);
        topics.push(response.with_partitions(partitions));
    }
    if !positions.is_empty() {
        // All of them in one block.
        let append = Append { positions, waits_for_disk: true, ..Append::default() };
        if let Err(error) = gateway.store.writer().append(append).await {
            tracing::warn!(group, %error, "positions were not committed");
            let rows = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            for row in rows.filter(|row| row.error_code == code::NONE) {
                row.error_code = error.code();
            }
        }
    }
    OffsetCommitResponse::default().with_topics(topics)
}

pub(super) async fn fetch(
    gateway: &Gateway,
    version: i16,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    let group = request.group_id.as_str();
    let known: BTreeMap<String, Position> = match gateway.store.writer().positions().await {
        Ok(known) => known.into_iter().collect(),
        Err(error) if version >= 2 => {
            return OffsetFetchResponse::default().with_error_code(error.code());
        }
        Err(_) => BTreeMap::new(),
    };
    let asked = request.topics.unwrap_or_else(|| topics_of(&known, group));
    let row = |topic: &TopicName, index: i32| {
        let name = position(group, topic.as_str()).filter(|_| index == 0);
        let found = name.as_ref().and_then(|name| known.get(name));
        let held = name.as_ref().is_some_and(|name| gateway.transactions.holds(name));
        let unstable = version >= 7 && request.require_stable && held;
        let row = OffsetFetchResponsePartition::default()
            .with_partition_index(index)
            .with_committed_offset(found.map_or(-1, |it| it.offset.cast_signed()))
            .with_metadata(Some(text("")))
            .with_error_code(if unstable { code::UNSTABLE_OFFSET_COMMIT } else { code::NONE });
        match version {
            ..5 => row,
            _ => row.with_committed_leader_epoch(
                found.map_or(-1, |it| i32::try_from(it.epoch).unwrap_or(-1)),
            ),
        }
    };
    let answer = |topic: OffsetFetchRequestTopic| {
        let rows = topic.partition_indexes.iter().map(|index| row(&topic.name, *index)).collect();
        OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(rows)
    };
    OffsetFetchResponse::default().with_topics(asked.into_iter().map(answer).collect())
}

/// The topics in which a group has a position.
fn topics_of(known: &BTreeMap<String, Position>, group: &str) -> Vec<OffsetFetchRequestTopic> {
    let own = |name: &String| {
        let (of, topic) = parse_position(name)?;
        let topic = OffsetFetchRequestTopic::default().with_name(TopicName(text(topic)));
        (of == group).then(|| topic.with_partition_indexes(vec![0]))
    };
    known.keys().filter_map(own).collect()
}
