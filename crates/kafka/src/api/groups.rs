//! Groups: who is a member, and who does what.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::delete_groups_response::{
    DeletableGroupResult, DeleteGroupsResponse,
};
use kafka_protocol::messages::describe_groups_response::{
    DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use kafka_protocol::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use kafka_protocol::messages::leave_group_response::{LeaveGroupResponse, MemberResponse};
use kafka_protocol::messages::list_groups_response::{ListGroupsResponse, ListedGroup};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, GroupId, HeartbeatRequest, HeartbeatResponse,
    JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, SyncGroupRequest, SyncGroupResponse,
};

use super::{Asked, Gateway, Session, text};
use crate::code::{self, Code};
use crate::group::{Join, State};
use crate::store::{AppendFailed, parse_position, position};

pub(super) async fn join(
    gateway: &Gateway,
    session: &Session,
    asked: &Asked,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let join = Join {
        member: request.member_id.to_string(),
        instance: request.group_instance_id.map(|id| id.to_string()),
        client: (asked.client.clone(), session.host.clone()),
        session_ms: request.session_timeout_ms,
        rebalance_ms: request.rebalance_timeout_ms,
        protocol_type: request.protocol_type.to_string(),
        protocols: request
            .protocols
            .into_iter()
            .map(|it| (it.name.to_string(), it.metadata))
            .collect(),
        comes_again: asked.version >= 4,
    };
    // A name that cannot keep positions is refused before anybody works under it.
    if position(request.group_id.as_str(), "t").is_none() {
        return JoinGroupResponse::default().with_error_code(code::INVALID_GROUP_ID);
    }
    let joined = gateway.groups.join(request.group_id.as_str(), join).await;
    let member = |(id, instance, metadata): (String, Option<String>, Bytes)| {
        let instance = instance.filter(|_| asked.version >= 5).map(text);
        JoinGroupResponseMember::default()
            .with_member_id(text(id))
            .with_group_instance_id(instance)
            .with_metadata(metadata)
    };
    let mut response = JoinGroupResponse::default()
        .with_error_code(joined.code)
        .with_generation_id(joined.generation)
        .with_leader(text(joined.leader))
        .with_member_id(text(joined.member))
        .with_members(joined.members.into_iter().map(member).collect());
    response = match asked.version {
        ..7 => response.with_protocol_name(Some(text(joined.protocol.unwrap_or_default()))),
        _ => response
            .with_protocol_type(joined.protocol_type.map(text))
            .with_protocol_name(joined.protocol.map(text)),
    };
    response
}

pub(super) async fn sync(
    gateway: &Gateway,
    version: i16,
    request: SyncGroupRequest,
) -> SyncGroupResponse {
    let instance = request.group_instance_id.as_ref().map(|id| id.as_str());
    let who = (request.member_id.as_str(), instance, request.generation_id);
    let own = |it: kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment| {
        (it.member_id.to_string(), it.assignment)
    };
    let assignments = request.assignments.into_iter().map(own).collect();
    let synced = gateway.groups.sync(request.group_id.as_str(), who, assignments).await;
    let response = SyncGroupResponse::default()
        .with_error_code(synced.code)
        .with_assignment(synced.assignment);
    if version < 5 {
        return response;
    }
    response
        .with_protocol_type(synced.protocol_type.map(text))
        .with_protocol_name(synced.protocol.map(text))
}

pub(super) fn heartbeat(gateway: &Gateway, request: &HeartbeatRequest) -> HeartbeatResponse {
    let instance = request.group_instance_id.as_ref().map(|id| id.as_str());
    let who = (request.member_id.as_str(), instance, request.generation_id);
    let code = gateway.groups.heartbeat(request.group_id.as_str(), who);
    HeartbeatResponse::default().with_error_code(code)
}

pub(super) fn leave(
    gateway: &Gateway,
    version: i16,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let group = request.group_id.as_str();
    if version < 3 {
        let code = gateway.groups.leave(group, request.member_id.as_str(), None);
        return LeaveGroupResponse::default().with_error_code(code);
    }
    let mut members = Vec::new();
    for member in request.members {
        let instance = member.group_instance_id.as_ref().map(|id| id.as_str());
        let code = gateway.groups.leave(group, member.member_id.as_str(), instance);
        members.push(
            MemberResponse::default()
                .with_member_id(member.member_id)
                .with_group_instance_id(member.group_instance_id)
                .with_error_code(code),
        );
    }
    LeaveGroupResponse::default().with_members(members)
}

/// All groups: those that have members, and those whose positions the stream holds. Each with the
/// names of its positions.
async fn all(gateway: &Gateway) -> Result<BTreeMap<String, Vec<String>>, AppendFailed> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, _) in gateway.store.writer().positions().await? {
        if let Some((group, _)) = parse_position(&name) {
            all.entry(group).or_default().push(name);
        }
    }
    for group in gateway.groups.names() {
        all.entry(group).or_default();
    }
    Ok(all)
}

pub(super) async fn list(
    gateway: &Gateway,
    version: i16,
    request: ListGroupsRequest,
) -> ListGroupsResponse {
    let all = match all(gateway).await {
        Ok(all) => all,
        Err(error) => return ListGroupsResponse::default().with_error_code(error.code()),
    };
    let mut groups = Vec::new();
    for group in all.into_keys() {
        let described = gateway.groups.describe(&group);
        let state = described.as_ref().map_or(State::Empty, |it| it.state).name();
        let asked = &request.states_filter;
        if !asked.is_empty() && !asked.iter().any(|it| it.as_str().eq_ignore_ascii_case(state)) {
            continue;
        }
        let kind = described.map_or_else(|| "consumer".to_owned(), |it| it.protocol_type);
        let listed = ListedGroup::default()
            .with_group_id(GroupId(text(group)))
            .with_protocol_type(text(kind));
        groups.push(if version >= 4 { listed.with_group_state(text(state)) } else { listed });
    }
    ListGroupsResponse::default().with_groups(groups)
}

pub(super) async fn describe(
    gateway: &Gateway,
    version: i16,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let known = all(gateway).await.unwrap_or_default();
    let mut groups = Vec::new();
    for id in request.groups {
        let described = gateway.groups.describe(id.as_str());
        let name = id.to_string();
        let mut group = DescribedGroup::default().with_group_id(id);
        if version >= 3 {
            group = group.with_authorized_operations(i32::MIN);
        }
        let Some(described) = described else {
            // Kafka says of one that it does not know that it is dead, and that this is no error.
            let state = if known.contains_key(&name) { "Empty" } else { "Dead" };
            groups.push(group.with_group_state(text(state)));
            continue;
        };
        let member = |(id, member): (String, crate::group::Member)| {
            let instance = member.instance.clone().filter(|_| version >= 4).map(text);
            DescribedGroupMember::default()
                .with_member_id(text(id))
                .with_group_instance_id(instance)
                .with_client_id(text(member.client.0.as_str()))
                .with_client_host(text(member.client.1.as_str()))
                .with_member_metadata(member.metadata(&described.protocol))
                .with_member_assignment(member.assignment)
        };
        groups.push(
            group
                .with_group_state(text(described.state.name()))
                .with_protocol_type(text(described.protocol_type.as_str()))
                .with_protocol_data(text(described.protocol.as_str()))
                .with_members(described.members.into_iter().map(member).collect()),
        );
    }
    DescribeGroupsResponse::default().with_groups(groups)
}

pub(super) async fn delete(
    gateway: &Gateway,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let known = all(gateway).await;
    let mut results = Vec::new();
    for id in request.groups_names {
        let code = match &known {
            Err(error) => error.code(),
            Ok(known) => match known.get(id.as_str()) {
                None => code::GROUP_ID_NOT_FOUND,
                Some(_) if !gateway.groups.forget(id.as_str()) => code::NON_EMPTY_GROUP,
                Some(names) => remove(gateway, names.clone()).await,
            },
        };
        results.push(DeletableGroupResult::default().with_group_id(id).with_error_code(code));
    }
    DeleteGroupsResponse::default().with_results(results)
}

async fn remove(gateway: &Gateway, names: Vec<String>) -> Code {
    for name in names {
        if gateway.store.writer().release(name.clone()).await.is_err() {
            return code::COORDINATOR_NOT_AVAILABLE;
        }
        let store = std::sync::Arc::clone(&gateway.store);
        let removing =
            tokio::task::spawn_blocking(move || store.stream().remove_position(&name)).await;
        match removing {
            Ok(Ok(())) => {}
            Ok(Err(puro::NamedError::Busy { .. })) => return code::NON_EMPTY_GROUP,
            _ => return code::STORAGE_ERROR,
        }
    }
    code::NONE
}
