/*
 * Puro for C: event streams in a directory, shared by any number of processes.
 *
 *   #include <puro.h>                                      cc ... -lpuro_c
 *
 * Every function that can fail answers a puro_code: PURO_OK is 0; PURO_NOTHING is 1, and no error;
 * from 100 on it is the caller's fault, from 200 the system's, from 300 the data's, from 400 Puro's.
 * puro_last_error() tells more.
 *
 * Structs of options: set them to zero, then set what you want: puro_consumer_options o = {0};
 *
 * Pointers: what a function takes must be valid for the call, and NULL is refused by a code where it
 * is not said to be fine. What a record points to is borrowed from its consumer until the next call
 * with that consumer. Texts are UTF-8 and end with a zero; paths are any bytes.
 *
 * Threads: a handle may go from thread to thread, and serves one at a time; a second one is refused
 * by PURO_MISUSE. Let each thread open its own.
 *
 * Forks: a handle belongs to the process that opened it. A child is refused by PURO_FORKED; it opens
 * its own, and may free what it inherited.
 *
 * Closed: a closed handle answers PURO_MISUSE. A freed one is freed memory.
 *
 * Made by cbindgen from bindings/c/src; PURO_HEADER=write cargo test -p puro-c --test header
 */

#ifndef PURO_H
#define PURO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A library whose puro_abi_version() differs is not this header's. */
#define PURO_ABI_VERSION 1

/* Handles. */
typedef struct puro_batch puro_batch;
typedef struct puro_consumer puro_consumer;
typedef struct puro_producer puro_producer;


// Bytes that are enough for the text of any token, with the zero behind it.
#define PURO_TOKEN_TEXT 80

// What came of a call. The hundreds say whose matter it is.
typedef enum puro_code {
  // It is done.
  PURO_OK = 0,
  // There was nothing: no record in time, no progress to commit, no such entry.
  PURO_NOTHING = 1,
  // The caller asked for something that cannot be.
  PURO_CALLER = 100,
  // The call itself is wrong: a null pointer, a text that is not UTF-8, a closed handle, or
  // one that another thread is using.
  PURO_MISUSE = 101,
  // The handle was carried into a forked child.
  PURO_FORKED = 102,
  // The directory holds no stream.
  PURO_NOT_A_STREAM = 103,
  // The directory holds something else.
  PURO_NOT_EMPTY = 104,
  // A record that cannot be stored.
  PURO_BAD_RECORD = 105,
  // A setting that cannot be.
  PURO_BAD_SETTING = 106,
  // The offset is not, or no longer, in the stream.
  PURO_OUT_OF_RANGE = 107,
  // This identity has appended a later batch since.
  PURO_OLD_SEQUENCE = 108,
  // This identity has appended other records under that sequence.
  PURO_OTHER_CONTENT = 109,
  // A network file system.
  PURO_NETWORK = 110,
  // The system, or another process.
  PURO_ENVIRONMENT = 200,
  // A call to the system failed.
  PURO_IO = 201,
  // A lock was not to be had in time.
  PURO_LOCKED = 202,
  // Another process runs under the consumer's name.
  PURO_NAME_BUSY = 203,
  // Somebody else has appended since, or has changed the position.
  PURO_CONFLICT = 204,
  // Appended, and visible to all, but not known to be on the disk.
  PURO_NOT_DURABLE = 205,
  // Nobody knows whether it was appended.
  PURO_UNKNOWN = 206,
  // The disk is too full.
  PURO_NO_SPACE = 207,
  // The stream was removed, moved or replaced while it was in use.
  PURO_REMOVED = 208,
  // A newer version of Puro wrote it.
  PURO_NEWER = 209,
  // What is stored is damaged, or was lost.
  PURO_DATA = 300,
  // Stored bytes are not what was written.
  PURO_DAMAGED = 301,
  // The position's history was lost, or it is of another stream.
  PURO_DIVERGED = 302,
  // What a named consumer was to read next was deleted.
  PURO_LOST = 303,
  // A fault in Puro itself. The handle is closed.
  PURO_PANIC = 400,
} puro_code;

// Whose matter an error is.
typedef enum puro_blame {
  // Nobody's: nothing went wrong.
  PURO_BLAME_NOBODY = 0,
  // The caller's: to ask again changes nothing.
  PURO_BLAME_CALLER = 1,
  // The system's or another process's: it may work later, or after something was mended.
  PURO_BLAME_ENVIRONMENT = 2,
  // The data's: something is damaged or was lost.
  PURO_BLAME_DATA = 3,
  // Puro's own.
  PURO_BLAME_PURO = 4,
} puro_blame;

// Where a consumer begins.
typedef enum puro_start_kind {
  // At the lowest offset there is.
  PURO_START_KIND_BEGINNING = 0,
  // Behind all that there is.
  PURO_START_KIND_END = 1,
  // At the offset `value`.
  PURO_START_KIND_OFFSET = 2,
  // At the last `value` records of its topics.
  PURO_START_KIND_LAST = 3,
  // At the first record of the time `value`, in ms since 1970, or later.
  PURO_START_KIND_TIME = 4,
  // At `token`.
  PURO_START_KIND_TOKEN = 5,
} puro_start_kind;

// What is to be or not to be, or left to the library.
typedef enum puro_choice {
  // As the stream's settings say.
  PURO_CHOICE_DEFAULT = 0,
  // Yes.
  PURO_CHOICE_YES = 1,
  // No.
  PURO_CHOICE_NO = 2,
} puro_choice;

// Where a consumer with a name goes on if what it was to read next was deleted.
typedef enum puro_if_lost {
  // Nowhere: `PURO_LOST`.
  PURO_IF_LOST_FAIL = 0,
  // At the lowest offset there is.
  PURO_IF_LOST_BEGINNING = 1,
  // At the end.
  PURO_IF_LOST_END = 2,
} puro_if_lost;

// What went wrong.
typedef struct puro_error {
  // What the call answered.
  enum puro_code code;
  // Whose matter it is.
  enum puro_blame blame;
  // What, where, and why; UTF-8.
  const char *message;
  // What to do about it; UTF-8.
  const char *way_out;
  // Whether records were appended: 1 yes, 0 no, -1 nobody knows.
  int32_t was_appended;
} puro_error;

// A position in the history of a stream, to be kept anywhere. Unlike a bare offset it notices when
// that history was lost.
typedef struct puro_token {
  // The stream.
  uint8_t stream_id[16];
  // The epoch of what was read before it.
  uint32_t epoch;
  // The next offset to read.
  uint64_t offset;
} puro_token;

// Where a consumer begins. All zero: at the beginning.
typedef struct puro_start {
  // A `puro_start_kind`.
  uint32_t kind;
  // What the kind needs.
  uint64_t value;
  // For `PURO_START_KIND_TOKEN`.
  struct puro_token token;
} puro_start;

// Bytes, of whatever meaning. `data` NULL means that there are none; that is not the same as bytes
// of length 0. `puro_text` makes them from a string.
typedef struct puro_bytes {
  // Where they begin.
  const uint8_t *data;
  // How many they are.
  size_t len;
} puro_bytes;

// How a consumer is opened. All zero: the defaults.
typedef struct puro_consumer_options {
  // Where it begins; with a name, where there is no position yet.
  struct puro_start start;
  // The topics that are wanted; none: all.
  const struct puro_bytes *topics;
  // How many.
  size_t topic_count;
  // Read only what no loss of power can take back.
  bool durable;
  // Wait for a stream that is not there yet. Not with a name.
  bool wait_for_stream;
  // A network file system is accepted; only safe where one machine alone works in it.
  bool allow_network;
  // With a name: commit only by `puro_commit` and by `puro_conditions.position`.
  bool commit_by_hand;
  // A `puro_if_lost`.
  uint32_t if_lost;
  // The name under which the stream keeps the position; NULL: none.
  const char *name;
  // With a name: commit after so many records; 0: by time.
  uint64_t commit_every_records;
  // With a name: commit after so many ms, at the next call; 0: a second.
  uint64_t commit_every_ms;
  // How long to wait for another process that runs under the name; less than 0: without limit.
  int64_t owner_wait_ms;
  // How long to wait for others that hold a lock; 0: a minute; less: without limit.
  int64_t lock_wait_ms;
} puro_consumer_options;

// One header of a record. Names may repeat.
typedef struct puro_header {
  // Its name; at least one byte.
  struct puro_bytes name;
  // Its value.
  struct puro_bytes value;
} puro_header;

// A record of the stream. What it points to belongs to the consumer that gave it, and lasts until
// the next call with that consumer.
typedef struct puro_record {
  // Its offset.
  uint64_t offset;
  // When it was appended, in ms since 1970.
  uint64_t timestamp_ms;
  // Its topic.
  struct puro_bytes topic;
  // Its key; `data` NULL: none.
  struct puro_bytes key;
  // Its value; `data` NULL: a delete marker.
  struct puro_bytes value;
  // Its headers.
  const struct puro_header *headers;
  // How many headers.
  size_t header_count;
} puro_record;

// A record to be appended; what it points to need last for the call only.
typedef struct puro_new_record {
  // 1 to 1,024 bytes.
  struct puro_bytes topic;
  // Up to 1,024 bytes; `data` NULL: no key.
  struct puro_bytes key;
  // Up to 10 MiB; `data` NULL: a delete marker, which needs a key.
  struct puro_bytes value;
  // `header_count` of them; up to 64 KiB together.
  const struct puro_header *headers;
  // How many headers.
  size_t header_count;
} puro_new_record;

// How a producer is opened. All zero: the defaults.
typedef struct puro_producer_options {
  // A stream that is missing is refused, not made.
  bool must_exist;
  // A network file system is accepted; only safe where one machine alone works in it.
  bool allow_network;
  // A `puro_choice`: whether an append returns only once its records are on the disk.
  uint32_t durable;
  // Of a stream that is made: bytes of records in a segment; 0: 64 MiB.
  uint64_t segment_bytes;
  // How long to wait for others that hold a lock; 0: a minute; less: without limit.
  int64_t lock_wait_ms;
} puro_producer_options;

// What an append did.
typedef struct puro_appended {
  // Offset of the first record.
  uint64_t first_offset;
  // The time they carry, in ms since 1970.
  uint64_t timestamp_ms;
  // How many records.
  uint32_t record_count;
  // Whether they stood there already, from an earlier try (`identity`).
  bool duplicate;
  // The position behind them.
  struct puro_token token;
} puro_appended;

// What an append asks for beside its records, in any combination. All zero: nothing.
typedef struct puro_conditions {
  // Append only if the stream still ends here, else `PURO_CONFLICT`; NULL: wherever it ends.
  const struct puro_token *if_end;
  // Append once, however often it is tried, under this name and `sequence`; NULL: each time.
  const char *identity;
  // A number that rises with each batch of the identity.
  uint64_t sequence;
  // Commit the position of this consumer, behind the last record that it gave, in the same
  // block; NULL: none. The batch may be empty then.
  puro_consumer *position;
  // The time of the records in ms since 1970; 0: now.
  uint64_t timestamp_ms;
  // A `puro_choice`: whether to be on the disk before it returns.
  uint32_t durable;
} puro_conditions;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The `PURO_ABI_VERSION` with which the library was built. A program whose own differs must not go
// on.
uint32_t puro_abi_version(void);

// The version of Puro, such as "0.1.0".
const char *puro_version(void);

// What went wrong in the last call of this thread that failed; NULL if none did. It lasts until
// the next one that fails.
const struct puro_error *puro_last_error(void);

// Opens a consumer. `options` NULL: all topics from the beginning.
enum puro_code puro_consumer_open(const char *dir,
                                  const struct puro_consumer_options *options,
                                  puro_consumer **out);

// The next record, waiting for it up to `timeout_ms`; less than 0: without limit. `PURO_NOTHING`
// if none came in time. With a name, to ask says that the records before are done.
enum puro_code puro_next(puro_consumer *consumer,
                         int64_t timeout_ms,
                         struct puro_record *out);

// The records that are left of a block, waiting for one up to `timeout_ms`: the fastest way to
// read. `records` is set to the first of `count`. All of them count as read.
enum puro_code puro_next_block(puro_consumer *consumer,
                               int64_t timeout_ms,
                               const struct puro_record **records,
                               size_t *count);

// Waits until there is a record to be read; `PURO_NOTHING` if none came in time.
enum puro_code puro_wait(puro_consumer *consumer, int64_t timeout_ms);

// The position of the next record; `PURO_NOTHING` until there is a stream.
enum puro_code puro_consumer_token(puro_consumer *consumer, struct puro_token *out);

// With a name: commits the position behind the last record given; `PURO_NOTHING` without progress.
enum puro_code puro_commit(puro_consumer *consumer);

// A descriptor that becomes readable when there may be something new, for `poll` or `epoll`. Go in
// this order: `puro_consumer_clear`, then `puro_next` with timeout 0 until there is nothing, then
// wait for the descriptor, for a second at most. It belongs to the consumer, and is closed with it.
enum puro_code puro_consumer_fd(puro_consumer *consumer,
                                int32_t *out);

// Forgets what the descriptor has noticed until now.
enum puro_code puro_consumer_clear(puro_consumer *consumer);

// Closes a consumer. With a name it commits first that all it gave is done, unless it commits by
// hand. The handle answers `PURO_MISUSE` from now on, and is still to be freed.
enum puro_code puro_consumer_close(puro_consumer *consumer);

// Frees a consumer; NULL is fine. If it was not closed, the record given last does not count as
// done. A forked child may call it, too.
void puro_consumer_free(puro_consumer *consumer);

// Makes an empty batch.
enum puro_code puro_batch_open(puro_batch **out);

// Adds a record; its bytes are copied. If it cannot be one, the batch is as it was.
enum puro_code puro_batch_push(puro_batch *batch, const struct puro_new_record *record);

// Takes all records out; the memory is kept for the next ones.
enum puro_code puro_batch_clear(puro_batch *batch);

// How many records it holds.
enum puro_code puro_batch_count(puro_batch *batch, size_t *out);

// Frees a batch; NULL is fine.
void puro_batch_free(puro_batch *batch);

// Opens a producer; makes the stream if it is missing. `options` NULL: the defaults.
enum puro_code puro_producer_open(const char *dir,
                                  const struct puro_producer_options *options,
                                  puro_producer **out);

// Appends one record. It is visible to all when this returns. `out` may be NULL.
enum puro_code puro_append(puro_producer *producer,
                           const struct puro_new_record *record,
                           struct puro_appended *out);

// Appends a batch, all of it or nothing; the batch keeps its records. `conditions` and `out` may
// be NULL. Where the code is `PURO_NOT_DURABLE`, `out` is filled, too.
enum puro_code puro_append_batch(puro_producer *producer,
                                 puro_batch *batch,
                                 const struct puro_conditions *conditions,
                                 struct puro_appended *out);

// Waits until all that was appended by it is on the disk.
enum puro_code puro_sync(puro_producer *producer);

// The position behind all that the producer has seen.
enum puro_code puro_producer_token(puro_producer *producer, struct puro_token *out);

// The last sequence that the stream took of an identity; `PURO_NOTHING` if none.
enum puro_code puro_last_sequence(puro_producer *producer, const char *identity, uint64_t *out);

// Sets a setting of the stream, such as "retention_ms" to "86400000"; `value` NULL takes it back
// to its default. `puro config DIR list` shows them all.
enum puro_code puro_set(puro_producer *producer,
                        const char *name,
                        const char *value);

// Closes a producer: its locks and files are let go. The handle answers `PURO_MISUSE` from now on,
// and is still to be freed.
enum puro_code puro_producer_close(puro_producer *producer);

// Frees a producer, and closes it if need be; NULL is fine. A forked child may call it, too.
void puro_producer_free(puro_producer *producer);

// The bytes of a text; none where it is NULL.
struct puro_bytes puro_text(const char *text);

// Writes the text of a token, `STREAMID:EPOCH:OFFSET`, to `out`, which has room for
// `PURO_TOKEN_TEXT` bytes.
enum puro_code puro_token_format(const struct puro_token *token, char *out);

// Reads the text of a token.
enum puro_code puro_token_parse(const char *written, struct puro_token *out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PURO_H */
