//! What there is: versions, brokers, topics.

use std::collections::BTreeSet;

use kafka_protocol::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use kafka_protocol::messages::describe_cluster_response::{
    DescribeClusterBroker, DescribeClusterResponse,
};
use kafka_protocol::messages::find_coordinator_response::FindCoordinatorResponse;
use kafka_protocol::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{MetadataRequest, TopicName};

use super::{BROKER, Gateway, SERVED, text};
use crate::code::{self, Code};
use crate::store::is_legal_topic;

/// Not asked for.
const NO_OPERATIONS: i32 = i32::MIN;
/// Topics that clients named, and that have no record yet, are kept in memory: so many at most.
const MAX_TOPICS: usize = 100_000;

pub(super) fn versions() -> ApiVersionsResponse {
    let row = |(key, low, high): &(_, i16, i16)| {
        ApiVersion::default()
            .with_api_key(*key as i16)
            .with_min_version(*low)
            .with_max_version(*high)
    };
    ApiVersionsResponse::default().with_api_keys(SERVED.iter().map(row).collect())
}

pub(super) fn metadata(
    gateway: &Gateway,
    version: i16,
    request: MetadataRequest,
) -> MetadataResponse {
    // In version 0 an empty list means all topics, later `None` does.
    let asked = request.topics.filter(|topics| version > 0 || !topics.is_empty());
    let topics = match asked {
        None => {
            let names = gateway.store.marks().names();
            names.into_iter().map(|name| topic(gateway, name, code::NONE)).collect()
        }
        Some(asked) => {
            let names = asked.into_iter().filter_map(|topic| topic.name);
            let names: BTreeSet<String> = names.map(|name| name.0.as_str().to_owned()).collect();
            let create = version < 4 || request.allow_auto_topic_creation;
            let look = |name: String| {
                let code = look_up(gateway, &name, create);
                topic(gateway, name, code)
            };
            names.into_iter().map(look).collect()
        }
    };
    let (host, port) = &gateway.advertised;
    let broker = MetadataResponseBroker::default()
        .with_node_id(BROKER)
        .with_host(text(host.as_str()))
        .with_port(i32::from(*port));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(text(gateway.store.id())))
        .with_controller_id(BROKER)
        .with_topics(topics)
        .with_cluster_authorized_operations(NO_OPERATIONS)
}

/// Whether a topic is there; one that a client names is, from then on, if it may be made.
fn look_up(gateway: &Gateway, name: &str, create: bool) -> Code {
    let marks = gateway.store.marks();
    match () {
        () if !is_legal_topic(name) => code::INVALID_TOPIC,
        () if marks.knows(name) => code::NONE,
        () if create && marks.count() < MAX_TOPICS => {
            marks.name(name);
            code::NONE
        }
        () => code::UNKNOWN_TOPIC_OR_PARTITION,
    }
}

fn topic(gateway: &Gateway, name: String, code: Code) -> MetadataResponseTopic {
    let epoch = i32::try_from(gateway.store.marks().epoch()).unwrap_or(i32::MAX);
    let partition = MetadataResponsePartition::default()
        .with_partition_index(0)
        .with_leader_id(BROKER)
        .with_leader_epoch(epoch)
        .with_replica_nodes(vec![BROKER])
        .with_isr_nodes(vec![BROKER]);
    MetadataResponseTopic::default()
        .with_error_code(code)
        .with_name(Some(TopicName(text(name))))
        .with_partitions(if code == code::NONE { vec![partition] } else { Vec::new() })
        .with_topic_authorized_operations(NO_OPERATIONS)
}

pub(super) fn describe(gateway: &Gateway, _version: i16) -> DescribeClusterResponse {
    let (host, port) = &gateway.advertised;
    let broker = DescribeClusterBroker::default()
        .with_broker_id(BROKER)
        .with_host(text(host.as_str()))
        .with_port(i32::from(*port));
    DescribeClusterResponse::default()
        .with_cluster_id(text(gateway.store.id()))
        .with_controller_id(BROKER)
        .with_brokers(vec![broker])
        .with_cluster_authorized_operations(NO_OPERATIONS)
}

pub(super) fn coordinator(gateway: &Gateway, _version: i16) -> FindCoordinatorResponse {
    let (host, port) = &gateway.advertised;
    FindCoordinatorResponse::default()
        .with_node_id(BROKER)
        .with_host(text(host.as_str()))
        .with_port(i32::from(*port))
}
