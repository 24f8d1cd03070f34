/* The bytes of format.md: header, block, record, control records. Nothing here touches a file. */
#ifndef PURO_FORMAT_H
#define PURO_FORMAT_H

#include "bytes.h"

enum {
    HEADER_BYTES = 64,
    START_BYTES = 48,
    END_BYTES = 8,
    UNIT = 64,
    MAX_BODY = 16777216,
    MAX_TOPIC = 1024,
    MAX_KEY = 1024,
    MAX_HEADERS = 65536,
    MAX_VALUE = 10485760,
    CHECKPOINT_BODY = 1048576,
};
#define LOW 0x00
#define HIGH 0xA5

struct header {
    uint8_t stream_id[16];
    uint64_t base_offset, created;
    uint32_t sequence, generation, epoch, crc;
};
int header_decode(view bytes, bool to_write, struct header *out); /* F-12 */
void header_encode(struct header *h, uint8_t out[HEADER_BYTES]);  /* sets crc, too */

enum kind { RECORDS = 1, CHECKPOINT = 2, SEGMENT_END = 3 };
struct start {
    uint8_t signal, kind;
    uint16_t flags;
    uint32_t body_len, record_count, prev_crc;
    uint64_t first_offset, timestamp, durable_to;
    uint32_t epoch;
};
uint64_t block_length(uint64_t body_len); /* F-15 */
/* F-43: whether a start stands in these 48 bytes at this position. */
bool start_stands(const uint8_t *bytes, uint32_t header_crc, uint64_t position, struct start *out);

enum finding { NOTHING, INVALID, VALID, GOOD, COMMITTED }; /* F-24 */
struct chain {
    uint32_t crc;         /* of the block before */
    uint64_t next_offset; /* that it leads to */
};
struct block {
    struct start start;
    uint32_t crc;
    uint64_t length;
    view body;
};
enum finding block_check(view bytes, uint32_t header_crc, uint64_t position, struct chain before, uint32_t generation,
                         struct block *out);
/* Appends the bytes of a block to out; first the start's fields, then what F-19 and F-15 add. */
void block_encode(struct buf *out, const struct start *start, view body, uint32_t header_crc, uint64_t position);
/* F-43, F-46: body as it may be written at position; *padded tells of a pad. */
int body_fit(view body, uint32_t header_crc, uint64_t position, struct buf *out, bool *padded);

struct record {
    struct puro_record user; /* user.topic is the kind of a control record */
    bool control;
    uint64_t gap; /* n of a gap (F-33) */
};
int record_encode(struct buf *out, const struct puro_record *r, bool control); /* F-30 */
void control_encode(struct buf *out, const char *kind, const view *key, const view *value);

/* A walk over the records of a body. Behind the last one it is seen whether they agree with the block. */
struct walk {
    view rest;
    struct start start;
    uint64_t offset; /* of the next record */
    bool any_control, after_gap;
    bool check_crc;
    bool loose; /* what the block says of its records is not judged (F-24) */
};
void walk_begin(struct walk *w, const struct start *start, view body);
int walk_next(struct walk *w, struct record *r, bool *got);
int walk_all(const struct start *start, view body); /* all of it, each crc included */

#endif
