//! Making topics, and deleting old records.

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult, CreateTopicsResponse,
};
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{CreateTopicsRequest, DeleteRecordsRequest};
use puro::{Cleanup, Setting, Start, Trim};

use super::{Gateway, configs, text};
use crate::code::{self, Code};
use crate::store::is_legal_topic;

pub(super) async fn create(
    gateway: &Gateway,
    version: i16,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let mut topics = Vec::new();
    for topic in request.topics {
        let made = make(gateway, &topic, request.validate_only).await;
        let (code, why) = made.as_ref().err().cloned().unwrap_or((code::NONE, ""));
        let mut result = CreatableTopicResult::default().with_error_code(code);
        if code != code::NONE {
            result = result.with_error_message(Some(text(why)));
        } else if version >= 5 {
            let row = |(name, value, _, _): (&'static str, String, bool, i8)| {
                CreatableTopicConfigs::default()
                    .with_name(text(name))
                    .with_value(Some(text(value)))
                    .with_config_source(configs::DEFAULT)
            };
            let rows = configs::of_topic(gateway, topic.name.as_str()).into_iter().map(row);
            result = result
                .with_num_partitions(1)
                .with_replication_factor(1)
                .with_configs(Some(rows.collect()));
        }
        topics.push(result.with_name(topic.name));
    }
    CreateTopicsResponse::default().with_topics(topics)
}

type Refused = (Code, &'static str);

async fn make(gateway: &Gateway, topic: &CreatableTopic, only_check: bool) -> Result<(), Refused> {
    let (marks, name) = (gateway.store.marks(), topic.name.as_str());
    if !is_legal_topic(name) {
        return Err((code::INVALID_TOPIC, "up to 150 letters, digits, `.`, `_` and `-`"));
    }
    if marks.knows(name) {
        return Err((code::TOPIC_ALREADY_EXISTS, "the topic is there already"));
    }
    if !topic.assignments.is_empty() && topic.assignments.len() != 1
        || !matches!(topic.num_partitions, -1 | 1)
    {
        return Err((code::INVALID_PARTITIONS, "a topic has one partition here"));
    }
    if topic.assignments.is_empty() && !matches!(topic.replication_factor, -1 | 1) {
        return Err((code::INVALID_REPLICATION_FACTOR, "there is one broker here"));
    }
    let policy = topic.configs.iter().find(|it| it.name.as_str() == configs::CLEANUP);
    let policy = policy.and_then(|it| it.value.as_ref());
    let cleanup = match policy.map(|it| it.as_str()) {
        None => None,
        Some("delete") => Some(Cleanup::Delete),
        Some("compact") => Some(Cleanup::Compact),
        Some("compact,delete" | "delete,compact") => Some(Cleanup::CompactDelete),
        Some(_) => return Err((code::INVALID_CONFIG, "cleanup.policy is compact or delete")),
    };
    if only_check {
        return Ok(());
    }
    if let Some(cleanup) = cleanup {
        let (store, name) = (std::sync::Arc::clone(&gateway.store), name.to_owned());
        let setting = Setting::CleanupOf(name, cleanup);
        let set = tokio::task::spawn_blocking(move || store.stream().set(&setting)).await;
        if !matches!(set, Ok(Ok(()))) {
            return Err((code::STORAGE_ERROR, "the setting could not be written"));
        }
    }
    marks.name(name);
    Ok(())
}

pub(super) async fn delete(
    gateway: &Gateway,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let mut topics = Vec::new();
    for topic in request.topics {
        let mut rows = Vec::new();
        for asked in topic.partitions {
            let deleted = match asked.partition_index {
                0 => delete_before(gateway, topic.name.as_str(), asked.offset).await,
                _ => Err(code::UNKNOWN_TOPIC_OR_PARTITION),
            };
            rows.push(
                DeleteRecordsPartitionResult::default()
                    .with_partition_index(asked.partition_index)
                    .with_low_watermark(deleted.unwrap_or(-1))
                    .with_error_code(deleted.err().unwrap_or(code::NONE)),
            );
        }
        let result = DeleteRecordsTopicResult::default().with_name(topic.name);
        topics.push(result.with_partitions(rows));
    }
    DeleteRecordsResponse::default().with_topics(topics)
}

/// Deletes whole segments below the offset, as Puro does: of a stream with this one topic only, for
/// the others' records would go with them.
async fn delete_before(gateway: &Gateway, topic: &str, offset: i64) -> Result<i64, Code> {
    let marks = gateway.store.marks();
    let (_, next) = marks.bounds(topic);
    let offset = if offset == -1 { next } else { u64::try_from(offset).unwrap_or(u64::MAX) };
    if offset > next {
        return Err(code::OFFSET_OUT_OF_RANGE);
    }
    if marks.names().iter().any(|other| other != topic && marks.mark(other).is_some()) {
        return Err(code::POLICY_VIOLATION);
    }
    let store = std::sync::Arc::clone(&gateway.store);
    let trimmed = tokio::task::spawn_blocking(move || {
        store.stream().trim(&Trim::before(Start::Offset(offset)).unconsumed(true))?;
        Ok::<u64, puro::steward::StewardError>(store.stream().bounds()?.start)
    });
    match trimmed.await {
        Ok(Ok(low)) => {
            marks.begins(low);
            Ok(marks.bounds(topic).0.cast_signed())
        }
        Ok(Err(error)) => {
            tracing::warn!(topic, %error, "nothing was deleted");
            Err(code::POLICY_VIOLATION)
        }
        Err(_) => Err(code::STORAGE_ERROR),
    }
}
