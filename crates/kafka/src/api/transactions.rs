//! Idempotent and transactional producers.

use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResponse, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, EndTxnRequest,
    EndTxnResponse, InitProducerIdRequest, InitProducerIdResponse, ProducerId,
    TxnOffsetCommitRequest,
};

use super::Gateway;
use super::positions::place;
use crate::code::{self, Code};
use crate::store::is_legal_topic;
use crate::transaction::Who;

pub(super) async fn begin(
    gateway: &Gateway,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let given =
        (request.producer_id.0 >= 0).then_some((request.producer_id.0, request.producer_epoch));
    let begun = match &request.transactional_id {
        Some(id) => {
            let timeout = request.transaction_timeout_ms;
            let (id, writer) = (id.0.as_str(), gateway.store.writer());
            gateway.transactions.begin(writer, id, timeout, given).await
        }
        None => fresh(given),
    };
    let (producer_id, epoch) = begun.unwrap_or((-1, -1));
    InitProducerIdResponse::default()
        .with_error_code(begun.err().unwrap_or(code::NONE))
        .with_producer_id(ProducerId(producer_id))
        .with_producer_epoch(epoch)
}

/// An id by chance, so that none is given twice, whichever gateway gives it. Or the next epoch of
/// the one that is there, which its sequences in the stream fence.
fn fresh(given: Option<(i64, i16)>) -> Result<(i64, i16), Code> {
    if let Some((producer_id, epoch)) = given
        && (0..i16::MAX - 1).contains(&epoch)
    {
        return Ok((producer_id, epoch + 1));
    }
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| code::COORDINATOR_NOT_AVAILABLE)?;
    Ok((i64::from_ne_bytes(bytes) & i64::MAX, 0))
}

pub(super) fn add(
    gateway: &Gateway,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    let id = request.v3_and_below_transactional_id.0.as_str();
    let (producer_id, epoch) =
        (request.v3_and_below_producer_id.0, request.v3_and_below_producer_epoch);
    let added = gateway.transactions.add(Who { id, producer_id, epoch });
    let mut results = Vec::new();
    for topic in request.v3_and_below_topics {
        let legal = is_legal_topic(topic.name.as_str());
        let row = |index: &i32| {
            let code = match added {
                Err(code) => code,
                Ok(()) if !legal => code::INVALID_TOPIC,
                Ok(()) if *index != 0 => code::UNKNOWN_TOPIC_OR_PARTITION,
                Ok(()) => code::NONE,
            };
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(code)
        };
        let rows = topic.partitions.iter().map(row).collect();
        let result = AddPartitionsToTxnTopicResult::default().with_name(topic.name);
        results.push(result.with_results_by_partition(rows));
    }
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results)
}

pub(super) fn add_offsets(
    gateway: &Gateway,
    request: &AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let id = request.transactional_id.0.as_str();
    let (producer_id, epoch) = (request.producer_id.0, request.producer_epoch);
    let added = gateway.transactions.add(Who { id, producer_id, epoch });
    AddOffsetsToTxnResponse::default().with_error_code(added.err().unwrap_or(code::NONE))
}

pub(super) fn positions(
    gateway: &Gateway,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let group = request.group_id.as_str();
    let instance = request.group_instance_id.as_ref().map(|id| id.as_str());
    let member = (request.member_id.as_str(), instance, request.generation_id);
    let id = request.transactional_id.0.as_str();
    let (producer_id, epoch) = (request.producer_id.0, request.producer_epoch);
    let mut answers = Vec::new();
    let mut kept = Vec::new();
    for topic in &request.topics {
        for asked in &topic.partitions {
            let (index, offset) = (asked.partition_index, asked.committed_offset);
            answers.push(place(gateway, (group, topic.name.as_str()), index, offset));
        }
    }
    kept.extend(answers.iter().flatten().cloned());
    let refused = match gateway.groups.may_commit_in_transaction(group, member) {
        code::NONE => {
            gateway.transactions.keep_positions(Who { id, producer_id, epoch }, kept).err()
        }
        code => Some(code),
    };
    let mut answers = answers.into_iter();
    let mut topics = Vec::new();
    for topic in request.topics {
        let row = |asked: &kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition| {
            let own = answers.next().and_then(Result::err);
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(refused.or(own).unwrap_or(code::NONE))
        };
        let rows = topic.partitions.iter().map(row).collect();
        let response = TxnOffsetCommitResponseTopic::default().with_name(topic.name);
        topics.push(response.with_partitions(rows));
    }
    TxnOffsetCommitResponse::default().with_topics(topics)
}

pub(super) async fn end(gateway: &Gateway, request: EndTxnRequest) -> EndTxnResponse {
    let id = request.transactional_id.0.as_str();
    let (producer_id, epoch) = (request.producer_id.0, request.producer_epoch);
    let (who, writer) = (Who { id, producer_id, epoch }, gateway.store.writer());
    let ended = gateway.transactions.end(writer, who, request.committed).await;
    EndTxnResponse::default().with_error_code(ended.err().unwrap_or(code::NONE))
}
