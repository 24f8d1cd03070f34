//! Kafka's error codes, as far as they are told.

/// A code as it stands in an answer.
pub type Code = i16;

/// Fine.
pub const NONE: Code = 0;
/// The offset is below the topic's first or behind its end.
pub const OFFSET_OUT_OF_RANGE: Code = 1;
/// The checksum of a batch does not match.
pub const CORRUPT_MESSAGE: Code = 2;
/// No such topic, or a partition other than 0.
pub const UNKNOWN_TOPIC_OR_PARTITION: Code = 3;
/// It took too long; whether it was done is not known.
pub const REQUEST_TIMED_OUT: Code = 7;
/// A record is larger than Puro takes.
pub const MESSAGE_TOO_LARGE: Code = 10;
/// The coordinator cannot answer now.
pub const COORDINATOR_NOT_AVAILABLE: Code = 15;
/// The name is not legal for a topic.
pub const INVALID_TOPIC: Code = 17;
/// The generation is not the group's.
pub const ILLEGAL_GENERATION: Code = 22;
/// The member's protocols do not fit those of the group.
pub const INCONSISTENT_GROUP_PROTOCOL: Code = 23;
/// The name of the group cannot be kept.
pub const INVALID_GROUP_ID: Code = 24;
/// The group does not know the member.
pub const UNKNOWN_MEMBER_ID: Code = 25;
/// The session time-out is out of bounds.
pub const INVALID_SESSION_TIMEOUT: Code = 26;
/// The group is being put together anew: join again.
pub const REBALANCE_IN_PROGRESS: Code = 27;
/// The version of the request is not served.
pub const UNSUPPORTED_VERSION: Code = 35;
/// The topic is there already.
pub const TOPIC_ALREADY_EXISTS: Code = 36;
/// The number of partitions cannot be.
pub const INVALID_PARTITIONS: Code = 37;
/// The number of replicas cannot be.
pub const INVALID_REPLICATION_FACTOR: Code = 38;
/// A setting that cannot be.
pub const INVALID_CONFIG: Code = 40;
/// The request asks for what is not served.
pub const INVALID_REQUEST: Code = 42;
/// Batches of an older form.
pub const UNSUPPORTED_FOR_MESSAGE_FORMAT: Code = 43;
/// A batch is missing before this one.
pub const OUT_OF_ORDER_SEQUENCE: Code = 45;
/// The batch was appended before.
pub const DUPLICATE_SEQUENCE: Code = 46;
/// A newer run of the producer took over.
pub const INVALID_PRODUCER_EPOCH: Code = 47;
/// The transaction is not where that could be.
pub const INVALID_TXN_STATE: Code = 48;
/// The producer id is not that of the transactional id.
pub const INVALID_PRODUCER_ID_MAPPING: Code = 49;
/// The transaction time-out is out of bounds.
pub const INVALID_TRANSACTION_TIMEOUT: Code = 50;
/// The stream could not be read or written.
pub const STORAGE_ERROR: Code = 56;
/// Nothing is known of this producer.
pub const UNKNOWN_PRODUCER_ID: Code = 59;
/// The group has members.
pub const NON_EMPTY_GROUP: Code = 68;
/// No such group.
pub const GROUP_ID_NOT_FOUND: Code = 69;
/// The batch is compressed in an unknown way.
pub const UNSUPPORTED_COMPRESSION: Code = 76;
/// The member is to come again with the id that it was given.
pub const MEMBER_ID_REQUIRED: Code = 79;
/// The group has as many members as it may.
pub const GROUP_MAX_SIZE_REACHED: Code = 81;
/// Another member has the same instance id now.
pub const FENCED_INSTANCE_ID: Code = 82;
/// A record that cannot be.
pub const INVALID_RECORD: Code = 87;
/// A newer producer has the transactional id.
pub const PRODUCER_FENCED: Code = 90;
/// Another request of this transactional id is being carried out.
pub const CONCURRENT_TRANSACTIONS: Code = 51;
/// Something went wrong that has no code.
pub const UNKNOWN_SERVER_ERROR: Code = -1;
/// A transaction that is not ended holds the position.
pub const UNSTABLE_OFFSET_COMMIT: Code = 88;
/// What is asked for would take more than it may.
pub const POLICY_VIOLATION: Code = 44;
