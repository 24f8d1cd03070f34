//! Requests and their answers: a file for each family.

mod admin;
mod cluster;
mod configs;
mod fetch;
mod groups;
mod offsets;
mod positions;
mod produce;
mod served;
mod transactions;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::sync::Semaphore;

pub use self::served::{SERVED, is_served};
use crate::group::Groups;
use crate::limits::{APPENDS_AT_A_TIME, Limits, READS_AT_A_TIME};
use crate::metrics::Metrics;
use crate::store::{Readers, Store};
use crate::transaction::Transactions;

/// The one broker that there is.
pub(crate) const BROKER: BrokerId = BrokerId(1);

/// Everything that serves one stream.
pub struct Gateway {
    /// The stream.
    pub store: Arc<Store>,
    /// Its groups.
    pub groups: Groups,
    /// Its transactions.
    pub transactions: Transactions,
    /// What a client may cost.
    pub limits: Limits,
    /// What was counted.
    pub metrics: Metrics,
    /// Where clients are told to connect.
    pub advertised: (String, u16),
    appends: Semaphore,
    reads: Semaphore,
}

impl Gateway {
    /// Serves a stream.
    #[must_use]
    pub fn new(store: Store, limits: Limits, advertised: (String, u16)) -> Self {
        Self {
            store: Arc::new(store),
            groups: Groups::default(),
            transactions: Transactions::new(&limits),
            limits,
            metrics: Metrics::default(),
            advertised,
            appends: Semaphore::new(APPENDS_AT_A_TIME),
            reads: Semaphore::new(READS_AT_A_TIME),
        }
    }
}

/// What is kept of a connection between its requests.
#[derive(Debug, Default)]
pub struct Session {
    /// Where it comes from.
    pub host: String,
    readers: Option<Readers>,
}

impl Session {
    /// A connection that begins.
    #[must_use]
    pub fn of(host: String) -> Self {
        Self { host, readers: None }
    }
}

/// What a request says of itself.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is asked.
    pub key: ApiKey,
    /// In which form.
    pub version: i16,
    /// By which number the answer is told.
    pub correlation: i32,
    /// What the client calls itself.
    pub client: String,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// It is not what it says that it is.
    #[error("a malformed {0:?} request of version {1}")]
    Malformed(ApiKey, i16),
    /// The answer has no form in this version: a mistake of the gateway.
    #[error("no answer to {0:?} of version {1}: {2}")]
    NoForm(ApiKey, i16, String),
}

/// Answers a request; `None` where the client wants no answer.
///
/// # Errors
/// Where there can be none: the connection is to be closed.
pub async fn answer(
    gateway: &Gateway,
    session: &mut Session,
    asked: &Asked,
    body: Bytes,
) -> Result<Option<BytesMut>, Unanswered> {
    let version = asked.version;
    macro_rules! now {
        ($request:ty, $handler:expr) => {{
            let request = read::<$request>(asked, body)?;
            write::<$request>(asked, &$handler(request)).map(Some)
        }};
    }
    macro_rules! later {
        ($request:ty, $handler:expr) => {{
            let request = read::<$request>(asked, body)?;
            write::<$request>(asked, &$handler(request).await).map(Some)
        }};
    }
    match asked.key {
        ApiKey::Produce => {
            let request = read::<ProduceRequest>(asked, body)?;
            let silent = request.acks == 0;
            let response = produce::answer(gateway, request).await;
            if silent { Ok(None) } else { write::<ProduceRequest>(asked, &response).map(Some) }
        }
        ApiKey::Fetch => {
            let request = read::<FetchRequest>(asked, body)?;
            let response = fetch::answer(gateway, session, version, request).await;
            write::<FetchRequest>(asked, &response).map(Some)
        }
        ApiKey::ListOffsets => later!(ListOffsetsRequest, |it| offsets::list(gateway, it)),
        ApiKey::OffsetForLeaderEpoch => {
            later!(OffsetForLeaderEpochRequest, |it| offsets::of_epoch(gateway, it))
        }
        ApiKey::Metadata => {
            now!(MetadataRequest, |it| cluster::metadata(gateway, version, it))
        }
        ApiKey::ApiVersions => now!(ApiVersionsRequest, |_| cluster::versions()),
        ApiKey::DescribeCluster => {
            now!(DescribeClusterRequest, |_| cluster::describe(gateway, version))
        }
        ApiKey::FindCoordinator => {
            now!(FindCoordinatorRequest, |_| cluster::coordinator(gateway, version))
        }
        ApiKey::JoinGroup => {
            later!(JoinGroupRequest, |it| groups::join(gateway, session, asked, it))
        }
        ApiKey::SyncGroup => later!(SyncGroupRequest, |it| groups::sync(gateway, version, it)),
        ApiKey::Heartbeat => now!(HeartbeatRequest, |it| groups::heartbeat(gateway, &it)),
        ApiKey::LeaveGroup => now!(LeaveGroupRequest, |it| groups::leave(gateway, version, it)),
        ApiKey::OffsetCommit => later!(OffsetCommitRequest, |it| positions::commit(gateway, it)),
        ApiKey::OffsetFetch => {
            later!(OffsetFetchRequest, |it| positions::fetch(gateway, version, it))
        }
        ApiKey::ListGroups => later!(ListGroupsRequest, |it| groups::list(gateway, version, it)),
        ApiKey::DescribeGroups => {
            later!(DescribeGroupsRequest, |it| groups::describe(gateway, version, it))
        }
        ApiKey::DeleteGroups => later!(DeleteGroupsRequest, |it| groups::delete(gateway, it)),
        ApiKey::CreateTopics => {
            later!(CreateTopicsRequest, |it| admin::create(gateway, version, it))
        }
        ApiKey::DeleteRecords => later!(DeleteRecordsRequest, |it| admin::delete(gateway, it)),
        ApiKey::DescribeConfigs => {
            now!(DescribeConfigsRequest, |it| configs::describe(gateway, it))
        }
        ApiKey::InitProducerId => {
            later!(InitProducerIdRequest, |it| transactions::begin(gateway, it))
        }
        ApiKey::AddPartitionsToTxn => {
            now!(AddPartitionsToTxnRequest, |it| transactions::add(gateway, it))
        }
        ApiKey::AddOffsetsToTxn => {
            now!(AddOffsetsToTxnRequest, |it| transactions::add_offsets(gateway, &it))
        }
        ApiKey::TxnOffsetCommit => {
            now!(TxnOffsetCommitRequest, |it| transactions::positions(gateway, it))
        }
        ApiKey::EndTxn => later!(EndTxnRequest, |it| transactions::end(gateway, it)),
        key => Err(Unanswered::Malformed(key, version)),
    }
}

/// Whether the body of a request that is served can be decoded: what [`answer`] does first.
#[must_use]
pub fn decodes(key: ApiKey, version: i16, body: Bytes) -> bool {
    macro_rules! by_key {
        ($($key:ident => $request:ty),+ $(,)?) => {
            match key {
                $(ApiKey::$key => <$request as Decodable>::decode(&mut { body }, version).is_ok(),)+
                _ => false,
            }
        };
    }
    by_key! {
        Produce => ProduceRequest, Fetch => FetchRequest, ListOffsets => ListOffsetsRequest,
        Metadata => MetadataRequest, OffsetCommit => OffsetCommitRequest,
        OffsetFetch => OffsetFetchRequest, FindCoordinator => FindCoordinatorRequest,
        JoinGroup => JoinGroupRequest, Heartbeat => HeartbeatRequest,
        LeaveGroup => LeaveGroupRequest, SyncGroup => SyncGroupRequest,
        DescribeGroups => DescribeGroupsRequest, ListGroups => ListGroupsRequest,
        ApiVersions => ApiVersionsRequest, CreateTopics => CreateTopicsRequest,
        DeleteRecords => DeleteRecordsRequest, InitProducerId => InitProducerIdRequest,
        OffsetForLeaderEpoch => OffsetForLeaderEpochRequest,
        AddPartitionsToTxn => AddPartitionsToTxnRequest, AddOffsetsToTxn => AddOffsetsToTxnRequest,
        EndTxn => EndTxnRequest, TxnOffsetCommit => TxnOffsetCommitRequest,
        DescribeConfigs => DescribeConfigsRequest, DeleteGroups => DeleteGroupsRequest,
        DescribeCluster => DescribeClusterRequest,
    }
}

fn read<R: Request>(asked: &Asked, mut body: Bytes) -> Result<R, Unanswered> {
    R::decode(&mut body, asked.version).map_err(|_| Unanswered::Malformed(asked.key, asked.version))
}

/// The whole answer, from its length on.
fn write<R: Request>(asked: &Asked, response: &R::Response) -> Result<BytesMut, Unanswered> {
    let form = <R::Response as HeaderVersion>::header_version(asked.version);
    write_as(asked, asked.version, form, response)
}

fn write_as<M: Encodable>(
    asked: &Asked,
    version: i16,
    form: i16,
    response: &M,
) -> Result<BytesMut, Unanswered> {
    const LENGTH: usize = 4;
    let failed =
        |error: &dyn ToString| Unanswered::NoForm(asked.key, asked.version, error.to_string());
    let mut out = BytesMut::from(&[0_u8; LENGTH][..]);
    let header = ResponseHeader::default().with_correlation_id(asked.correlation);
    header.encode(&mut out, form).map_err(|error| failed(&error))?;
    response.encode(&mut out, version).map_err(|error| failed(&error))?;
    let length = i32::try_from(out.len() - LENGTH).map_err(|error| failed(&error))?;
    if let Some(into) = out.first_chunk_mut::<LENGTH>() {
        *into = length.to_be_bytes();
    }
    Ok(out)
}

/// The answer to ApiVersions in a version that is not served: in the first form, with all that is.
///
/// # Errors
/// A mistake of the gateway.
pub fn versions_refused(asked: &Asked) -> Result<BytesMut, Unanswered> {
    let mut response = cluster::versions();
    response.error_code = crate::code::UNSUPPORTED_VERSION;
    write_as(asked, 0, 0, &response)
}

/// A text of an answer.
fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

#[cfg(test)]
mod tests;
