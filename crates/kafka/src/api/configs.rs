//! Settings, by Kafka's names.

use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult,
};
use puro::Cleanup;

use super::{Gateway, text};
use crate::code;

pub(super) const CLEANUP: &str = "cleanup.policy";
/// The source of a setting: what the stream or the program say without being told.
pub(super) const DEFAULT: i8 = 5;
const OF_TOPIC: i8 = 1;
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Name, value, whether it may be changed, and where it comes from.
type Row = (&'static str, String, bool, i8);

/// What holds for a topic.
pub(super) fn of_topic(gateway: &Gateway, topic: &str) -> Vec<Row> {
    let settings = gateway.store.stream().settings().unwrap_or_default();
    let cleanup = match settings.cleanup(topic.as_bytes()) {
        Cleanup::Compact => "compact",
        Cleanup::CompactDelete => "compact,delete",
        _ => "delete",
    };
    let retention = settings.retention.map_or("-1".to_owned(), |it| it.as_millis().to_string());
    let bytes = settings.retention_bytes.map_or("-1".to_owned(), |it| it.to_string());
    vec![
        (CLEANUP, cleanup.to_owned(), true, OF_TOPIC),
        ("retention.ms", retention, true, DEFAULT),
        ("retention.bytes", bytes, true, DEFAULT),
        ("segment.bytes", settings.segment_bytes.to_string(), true, DEFAULT),
        ("message.timestamp.type", "LogAppendTime".to_owned(), true, DEFAULT),
        ("max.message.bytes", crate::limits::MAX_BATCH_BYTES.to_string(), true, DEFAULT),
        ("min.insync.replicas", "1".to_owned(), true, DEFAULT),
    ]
}

fn of_broker() -> Vec<Row> {
    let row = |name, value: &str| (name, value.to_owned(), true, DEFAULT);
    vec![
        row("auto.create.topics.enable", "true"),
        row("num.partitions", "1"),
        row("default.replication.factor", "1"),
        row("log.message.timestamp.type", "LogAppendTime"),
    ]
}

pub(super) fn describe(
    gateway: &Gateway,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let mut results = Vec::new();
    for resource in request.resources {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        let name = resource.resource_name.as_str();
        let rows = match resource.resource_type {
            TOPIC if gateway.store.marks().knows(name) => of_topic(gateway, name),
            TOPIC => {
                results.push(result.with_error_code(code::UNKNOWN_TOPIC_OR_PARTITION));
                continue;
            }
            BROKER => of_broker(),
            _ => {
                results.push(result.with_error_code(code::INVALID_REQUEST));
                continue;
            }
        };
        let asked = resource.configuration_keys;
        let wanted = |(name, ..): &Row| {
            asked.as_ref().is_none_or(|keys| keys.iter().any(|key| key.as_str() == *name))
        };
        let row = |(name, value, read_only, source): Row| {
            DescribeConfigsResourceResult::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
                .with_read_only(read_only)
                .with_config_source(source)
        };
        let rows = rows.into_iter().filter(wanted).map(row).collect();
        results.push(result.with_configs(rows));
    }
    DescribeConfigsResponse::default().with_results(results)
}
