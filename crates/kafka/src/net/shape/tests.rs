use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, StrBytes};

use super::*;
use crate::api::SERVED;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn topic() -> TopicName {
    TopicName(text("orders"))
}

fn group() -> GroupId {
    GroupId(text("billing"))
}

/// A request with something in each of its arrays.
pub fn sample(key: ApiKey, version: i16) -> BytesMut {
    let mut out = BytesMut::new();
    macro_rules! put {
        ($request:expr) => {
            $request.encode(&mut out, version).unwrap()
        };
    }
    match key {
        ApiKey::Produce => {
            use produce_request::*;
            let records = Some(Bytes::from_static(b"records"));
            let part = PartitionProduceData::default().with_records(records);
            let topics = TopicProduceData::default().with_name(topic());
            let topics = vec![topics.with_partition_data(vec![part.clone(), part])];
            put!(ProduceRequest::default().with_topic_data(topics));
        }
        ApiKey::Fetch => {
            use fetch_request::*;
            let part = FetchPartition::default().with_fetch_offset(7);
            let topics = FetchTopic::default().with_topic(topic()).with_partitions(vec![part]);
            let mut request = FetchRequest::default().with_topics(vec![topics.clone(), topics]);
            if version >= 7 {
                let gone =
                    ForgottenTopic::default().with_topic(topic()).with_partitions(vec![1, 2]);
                request = request.with_forgotten_topics_data(vec![gone]);
            }
            put!(request);
        }
        ApiKey::ListOffsets => {
            use list_offsets_request::*;
            let part = ListOffsetsPartition::default();
            let topics = ListOffsetsTopic::default().with_name(topic());
            let topics = vec![topics.with_partitions(vec![part])];
            put!(ListOffsetsRequest::default().with_topics(topics));
        }
        ApiKey::Metadata => {
            use metadata_request::*;
            let asked = MetadataRequestTopic::default().with_name(Some(topic()));
            put!(MetadataRequest::default().with_topics(Some(vec![asked])));
        }
        ApiKey::OffsetCommit => {
            use offset_commit_request::*;
            let part = OffsetCommitRequestPartition::default();
            let topics = OffsetCommitRequestTopic::default().with_name(topic());
            let topics = vec![topics.with_partitions(vec![part])];
            put!(OffsetCommitRequest::default().with_group_id(group()).with_topics(topics));
        }
        ApiKey::OffsetFetch => {
            use offset_fetch_request::*;
            let topics = OffsetFetchRequestTopic::default().with_name(topic());
            let topics = Some(vec![topics.with_partition_indexes(vec![0, 1])]);
            put!(OffsetFetchRequest::default().with_group_id(group()).with_topics(topics));
        }
        ApiKey::FindCoordinator => put!(FindCoordinatorRequest::default().with_key(text("g"))),
        ApiKey::JoinGroup => {
            use join_group_request::*;
            let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
            let protocols = vec![protocol.with_metadata(Bytes::from_static(b"topics"))];
            put!(JoinGroupRequest::default().with_group_id(group()).with_protocols(protocols));
        }
        ApiKey::Heartbeat => put!(HeartbeatRequest::default().with_member_id(text("m"))),
        ApiKey::LeaveGroup if version < 3 => {
            put!(LeaveGroupRequest::default().with_member_id(text("m")));
        }
        ApiKey::LeaveGroup => {
            let member = leave_group_request::MemberIdentity::default().with_member_id(text("m"));
            put!(LeaveGroupRequest::default().with_members(vec![member]));
        }
        ApiKey::SyncGroup => {
            use sync_group_request::*;
            let part = SyncGroupRequestAssignment::default().with_member_id(text("m"));
            put!(SyncGroupRequest::default().with_assignments(vec![part]));
        }
        ApiKey::DescribeGroups => {
            put!(DescribeGroupsRequest::default().with_groups(vec![group(), group()]));
        }
        ApiKey::ListGroups if version >= 4 => {
            put!(ListGroupsRequest::default().with_states_filter(vec![text("Stable")]));
        }
        ApiKey::ListGroups => put!(ListGroupsRequest::default()),
        ApiKey::ApiVersions => put!(ApiVersionsRequest::default()),
        ApiKey::CreateTopics => {
            use create_topics_request::*;
            let config = CreatableTopicConfig::default().with_name(text("a"));
            let part = CreatableReplicaAssignment::default().with_broker_ids(vec![BrokerId(1)]);
            let made = CreatableTopic::default().with_name(topic()).with_configs(vec![config]);
            put!(
                CreateTopicsRequest::default().with_topics(vec![made.with_assignments(vec![part])])
            );
        }
        ApiKey::DeleteRecords => {
            use delete_records_request::*;
            let topics = DeleteRecordsTopic::default().with_name(topic());
            let topics = vec![topics.with_partitions(vec![DeleteRecordsPartition::default()])];
            put!(DeleteRecordsRequest::default().with_topics(topics));
        }
        ApiKey::InitProducerId => put!(InitProducerIdRequest::default()),
        ApiKey::OffsetForLeaderEpoch => {
            use offset_for_leader_epoch_request::*;
            let topics = OffsetForLeaderTopic::default().with_topic(topic());
            let topics = vec![topics.with_partitions(vec![OffsetForLeaderPartition::default()])];
            put!(OffsetForLeaderEpochRequest::default().with_topics(topics));
        }
        ApiKey::AddPartitionsToTxn => {
            use add_partitions_to_txn_request::*;
            let topics = AddPartitionsToTxnTopic::default().with_name(topic());
            let topics = vec![topics.with_partitions(vec![0, 1])];
            put!(AddPartitionsToTxnRequest::default().with_v3_and_below_topics(topics));
        }
        ApiKey::AddOffsetsToTxn => put!(AddOffsetsToTxnRequest::default()),
        ApiKey::EndTxn => put!(EndTxnRequest::default()),
        ApiKey::TxnOffsetCommit => {
            use txn_offset_commit_request::*;
            let topics = TxnOffsetCommitRequestTopic::default().with_name(topic());
            let part = TxnOffsetCommitRequestPartition::default();
            put!(
                TxnOffsetCommitRequest::default()
                    .with_topics(vec![topics.with_partitions(vec![part])])
            );
        }
        ApiKey::DescribeConfigs => {
            use describe_configs_request::*;
            let keys = Some(vec![text("a"), text("b")]);
            let asked = DescribeConfigsResource::default().with_configuration_keys(keys);
            put!(DescribeConfigsRequest::default().with_resources(vec![asked]));
        }
        ApiKey::DeleteGroups => {
            put!(DeleteGroupsRequest::default().with_groups_names(vec![group()]));
        }
        ApiKey::DescribeCluster => put!(DescribeClusterRequest::default()),
        other => panic!("no sample of {other:?}"),
    }
    out
}

#[test]
fn each_request_that_is_served_has_its_shape_in_each_version() {
    for (key, low, high) in SERVED {
        for version in low..=high {
            let bytes = sample(key, version);
            let rest = walk(key, version, &bytes).map(<[u8]>::len);
            assert_eq!(rest, Some(0), "{key:?} {version}");
            for length in 0..bytes.len() {
                assert!(!fits(key, version, &bytes[..length]), "{key:?} {version} {length}");
            }
        }
    }
}

/// A client that sends each byte wrong, one after the other: what fits is decoded without a panic, and
/// without more memory than it has bytes. An array that claims two thousand million elements does
/// not fit.
#[test]
fn what_fits_is_decoded_whatever_its_bytes_are() {
    use kafka_protocol::protocol::Decodable;
    for (key, low, high) in SERVED {
        for version in low..=high {
            let good = sample(key, version);
            for at in 0..good.len() {
                for value in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut bad = good.clone();
                    bad[at] = value;
                    if key == ApiKey::Fetch && fits(key, version, &bad) {
                        let _ = FetchRequest::decode(&mut bad.freeze(), version);
                    } else if key == ApiKey::Produce && fits(key, version, &bad) {
                        let _ = ProduceRequest::decode(&mut bad.freeze(), version);
                    } else if key == ApiKey::JoinGroup && fits(key, version, &bad) {
                        let _ = JoinGroupRequest::decode(&mut bad.freeze(), version);
                    }
                }
            }
        }
    }
    let mut claims = BytesMut::new();
    claims.put_i32(i32::MAX);
    assert!(!fits(ApiKey::Metadata, 0, &claims));
    assert!(!fits(ApiKey::Metadata, 9, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0]));
}

#[test]
fn headers_have_a_shape_too() {
    assert!(fits_header(&[0, 3, 0, 0, 0, 0, 0, 1, 0xff, 0xff], 1));
    assert!(!fits_header(&[0, 3, 0, 0, 0, 0, 0, 1, 0xff, 0xff], 2));
    assert!(fits_header(&[0, 3, 0, 9, 0, 0, 0, 1, 0, 1, b'x', 0], 2));
    assert!(!fits_header(&[0, 3, 0, 9, 0, 0, 0, 1, 0x7f, 0xff], 1));
    assert!(!fits_header(&[0, 3, 0, 9, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f], 2));
}
